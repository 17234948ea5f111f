"""The tables of events, answers and attempts keep what may still be asked for, and nothing else."""

from sqlalchemy import text

from infrastructure.db.engine import create_engine
from infrastructure.db.pruning import prune
from infrastructure.settings import load_settings


async def test_what_is_two_days_old_goes_and_what_is_younger_or_undelivered_stays(database_url: str) -> None:
    engine = create_engine(load_settings(environment="development", database_url=database_url))
    async with engine.begin() as connection:
        for age, key in (("3 days", "old"), ("1 hour", "young")):
            await connection.execute(
                text(f"insert into answers values ('someone', '{key}', '', '', clock_timestamp() - interval '{age}')")
            )
        await connection.execute(
            text("insert into answers values ('demonstration', 'complete', '', '', '2000-01-01T00:00:00Z')")
        )

    deleted = await prune(engine)

    async with engine.connect() as connection:
        left = (await connection.execute(text("select key from answers order by key"))).scalars().all()
    await engine.dispose()
    assert deleted == 1
    assert left == ["complete", "young"]
