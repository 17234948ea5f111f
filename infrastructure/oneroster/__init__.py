"""OneRoster CSV bundles, versions 1.1 and 1.2: what a school system states of a whole roster (ROSTER-02)."""
