"""Roles: the installation's, the same for every organization; who holds which is a fact of the roster (RIGHT-04)."""

from dataclasses import dataclass, field

from domain.access import MetaRole, Permission, Viewer
from domain.errors import ProblemCode, refuse
from domain.ids import RoleId, role_id


@dataclass(slots=True, kw_only=True, eq=False)
class Role:
    """A role and what it permits in the module «Сферум»; a meta-role permits everything by default (RIGHT-01)."""

    name: str
    meta_role: MetaRole | None = None
    permissions: frozenset[Permission] = field(default_factory=frozenset)

    @property
    def id(self) -> RoleId:
        """Follows from the name."""
        return role_id(self.name)

    @property
    def editable(self) -> bool:
        """The Superadministrator's rights cannot be switched off (RIGHT-01)."""
        return self.meta_role is not MetaRole.SUPERADMINISTRATOR

    def permit(self, permissions: frozenset[Permission]) -> None:
        """Switches on exactly these.

        Raises:
            Refused: with NOT_ALLOWED for the Superadministrator's role.
        """
        if not self.editable:
            raise refuse(ProblemCode.NOT_ALLOWED, "roleId")
        self.permissions = permissions


def may_edit_roles(viewer: Viewer) -> bool:
    """Superadministrators, nobody else (RIGHT-04)."""
    return viewer.meta_role is MetaRole.SUPERADMINISTRATOR
