"""Education profiles as we take them to be: OUR CONTRACT, because VK publishes nothing of them (vk.md 3.2).

It holds for this sandbox and for the product's adapter (`infrastructure/vk_id/client.py`), and nowhere at VK:

- a person of VK ID has any number of education profiles; each is an account of its own, with an id of its own;
- an authorization ends at exactly one of them, chosen or created in VK ID's windows; no parameter of `/authorize`
  asks for that;
- `user_id` of `/oauth2/auth` and `/oauth2/user_info` is the id of that profile, and no field says that it is one;
- a profile is created from the last name, first name, patronymic (may be empty), birthday and sex, as the manual's
  figures 16 and 20 show; `user_info` answers all of them but the patronymic, as VK documents it;
- what it says of a school (`users.get` with `educational_profile`) is the contract of `vk_api/users.py`.
"""

import sqlite3

from infrastructure.sandbox.people import FIRST_USER_ID
from infrastructure.sandbox.world import World

NEW = 0
"""The chosen profile of an attempt that will create one; null is no choice yet."""
PARTS = ("last_name", "first_name", "patronymic", "birthday", "sex")


def of_number(world: World, phone: str) -> list[sqlite3.Row]:
    """The education profiles of whoever has the number, oldest first."""
    return world.store.rows(
        "select f.* from profiles f join people p on p.number = f.number where p.phone = ? order by f.id", phone
    )


def is_created_by(attempt: sqlite3.Row) -> bool:
    """Whether the attempt's profile was made from what its own form said, and may still be corrected."""
    return attempt["profile"] not in (None, NEW) and attempt["last_name"] is not None


def create(world: World, attempt: sqlite3.Row) -> int:
    """Makes the first profile of the attempt's number from its form, and a VK ID where there is none; answers its id.

    Repeating it answers the same profile, unchanged.
    """
    data = [attempt[part] for part in PARTS]
    person = world.store.row("select * from people where phone = ?", attempt["phone"])
    if person is None:
        number = world.store.insert(
            "insert into people (phone, last_name, first_name, patronymic, birthday, sex) values (?, ?, ?, ?, ?, ?)",
            *(attempt["phone"], *data),
        )
    else:
        number = person["number"]
    user_id: int = FIRST_USER_ID + number - 1
    world.store.write("update people set user_id = ? where number = ?", user_id, number)
    world.store.write(
        "insert or ignore into profiles values (?, ?, ?, ?, ?, ?, ?, '', '')",
        *(user_id, number, *data),
    )
    return user_id


def correct(world: World, attempt: sqlite3.Row) -> None:
    """Writes what the attempt's form says now into the profile that the attempt created."""
    world.store.write(
        "update profiles set last_name = ?, first_name = ?, patronymic = ?, birthday = ?, sex = ? where id = ?",
        *(*(attempt[part] for part in PARTS), attempt["profile"]),
    )
