"""Accounts of the VK API here are education profiles; what they tell of a school is a contract (vk.md 3.1)."""

from collections.abc import Callable

from infrastructure.sandbox.vk_api import arguments
from infrastructure.sandbox.vk_api.arguments import Given
from infrastructure.sandbox.vk_id.pages import ROLES
from infrastructure.sandbox.world import World

SCHOOLS = {"school-manual": (4101, "Школа № 1"), "school-full": (4102, "Школа № 2")}


def get(world: World, caller: int, given: Given) -> list[dict[str, object]]:
    """users.get: up to 1000 `user_ids`, the caller without them; unknown ids are left out."""
    wanted = arguments.integers(given, "user_ids", most=1000) or [caller]
    fields = given.get("fields", "").split(",")
    answer = []
    for user in wanted:
        row = world.store.row("select * from profiles where id = ?", user)
        if row is None:
            continue
        item = {"id": user, "first_name": row["first_name"], "last_name": row["last_name"]}
        if "profile_type" in fields:
            item["profile_type"] = 2
        if "educational_profile" in fields:
            item["educational_profile"] = {"edu_roles": _roles(user, row["role"], row["organization"])}
        answer.append(item)
    return answer


def _roles(user: int, role: str, organization: str) -> dict[str, object]:
    number, name = SCHOOLS.get(organization, (0, ""))
    held = [{"role_code": role, "details": "", "order": 1}]
    school = {"organization_id": number, "organization_type": "school", "organization_name": name, "roles": held}
    return {
        "user_id": user,
        "main_role_code": role,
        "main_roles": ROLES.get(role, ""),
        "organizations": [school] if number else [],
    }


METHODS: dict[str, Callable[[World, int, Given], object]] = {"users.get": get}
