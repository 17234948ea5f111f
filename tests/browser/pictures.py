"""`python -m tests.browser.pictures`: takes the pictures of docs/pages anew, with the tests that walk the pages."""

import os
import subprocess
import sys
from pathlib import Path

from tests.browser.person import PICTURES

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Answers what pytest answers."""
    tests = ["-q", "-rs", "tests/browser"]
    pictures = {PICTURES: str(ROOT / "docs" / "pages")}
    return subprocess.run([sys.executable, "-m", "pytest", *tests], cwd=ROOT, env=os.environ | pictures).returncode


if __name__ == "__main__":
    sys.exit(main())
