from tests.infrastructure.db.test_concurrent_chats import *

@pytest.mark.parametrize("key", ["a\x00", "a\ud800", ""], ids=ascii)
async def test_probe(begin, key):
    await CreateChat(begin)(SUPERADMINISTRATOR, SCHOOL, CLUB, idempotency_key=key)
