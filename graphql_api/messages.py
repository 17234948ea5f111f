"""What people read when the answer is no, in Russian and in English; each says what to do."""

from typing import Literal

from application.videoconferences import JoinRefusalReason
from domain.errors import Problem, ProblemCode

Language = Literal["ru", "en"]

MESSAGES: dict[ProblemCode, tuple[str, str]] = {
    ProblemCode.NOT_FOUND: ("Не найдено.", "Not found."),
    ProblemCode.FORBIDDEN: ("Недостаточно прав.", "You lack the right to do this."),
    ProblemCode.REQUIRED: ("Заполните это поле.", "Fill in this field."),
    ProblemCode.NOT_ALLOWED: ("Это поле здесь не заполняется.", "Leave this field empty here."),
    ProblemCode.INVALID: ("Недопустимое значение.", "This value cannot be used."),
    ProblemCode.TOO_LONG: ("Слишком длинно: не больше {most} знаков.", "Too long: at most {most} characters."),
    ProblemCode.TOO_MANY: ("Слишком много: не больше {most}.", "Too many: at most {most}."),
    ProblemCode.DEFAULT_CHAT: (
        "Этот чат создан системой: его можно изменить, но не удалить.",
        "The system made this chat: it can be edited, never deleted.",
    ),
    ProblemCode.CHAT_HAS_VIDEOCONFERENCES: (
        "В чате есть запланированные или идущие видеоконференции: сначала завершите или удалите их.",
        "Videoconferences are planned or held in the chat: finish or delete them first.",
    ),
    ProblemCode.CHAT_ADMINISTRATOR_STAYS: (
        "Администратора чата нельзя убрать вручную: его заменяют настройки организации или расписание школы.",
        "An administrator of the chat is not taken out by hand: the settings or the school's roster replace them.",
    ),
    ProblemCode.NOT_CONFIRMED: (
        "Подтвердите отвязку учётной записи от Сферума.",
        "Confirm that the account shall be unlinked from Sferum.",
    ),
    ProblemCode.ORGANIZATION_REQUIRED: ("Укажите организацию.", "Name the organization."),
    ProblemCode.NOT_IN_ADMINISTRATORS_REGISTRY: (
        "Выберите сотрудника из реестра «Администраторы».",
        "Choose an employee from the «Администраторы» registry.",
    ),
    ProblemCode.CAPACITY_NOT_ALLOWED: (
        "В этом качестве участвовать нельзя.",
        "Nobody takes part here in that capacity.",
    ),
    ProblemCode.CHAT_ARCHIVED: ("Чат в архиве.", "The chat is archived."),
    ProblemCode.END_NOT_AFTER_START: (
        "Окончание должно быть позже начала.",
        "The end must come after the start.",
    ),
    ProblemCode.END_IN_PAST: ("Окончание уже прошло.", "The end lies in the past."),
    ProblemCode.TOO_LONG_A_VIDEOCONFERENCE: (
        "Видеоконференция длится не больше 24 часов.",
        "A videoconference lasts at most 24 hours.",
    ),
    ProblemCode.TOO_FAR_AHEAD: (
        "Видеоконференцию можно назначить не больше чем на год вперёд.",
        "A videoconference starts at most a year ahead.",
    ),
    ProblemCode.LESSON_REQUIRED: (
        "Для онлайн-урока в предметном чате выберите урок.",
        "An online lesson in a subject's chat needs its lesson.",
    ),
    ProblemCode.LESSON_NOT_ALLOWED: (
        "Для видеозвонка урок не указывается.",
        "A video call has no lesson.",
    ),
    ProblemCode.LESSON_OF_ANOTHER_GROUP: (
        "Это урок другой группы: выберите урок группы этого чата.",
        "The lesson is another group's: choose one of this chat's group.",
    ),
    ProblemCode.LESSON_OVER: ("Этот урок уже прошёл или отменён.", "The lesson is over or cancelled."),
    ProblemCode.LESSON_HAS_ONLINE_LESSON: (
        "У этого урока уже есть онлайн-урок.",
        "The lesson has an online lesson already.",
    ),
    ProblemCode.SUBJECT_CHAT_NEEDED: (
        "В группе ученики нескольких классов: сначала создайте для неё предметный чат.",
        "The group has pupils of several classes: make a subject's chat for it first.",
    ),
    ProblemCode.PARENTS_NOT_ALLOWED: (
        "Родители участвуют только в видеозвонке родительского чата.",
        "Parents take part only in a video call of a parents' chat.",
    ),
    ProblemCode.WRONG_STATUS: (
        "В нынешнем статусе это невозможно.",
        "Its present status does not allow this.",
    ),
    ProblemCode.PROFILE_ALREADY_LINKED: (
        "Этот учебный профиль уже привязан к другой учётной записи. Выберите другой профиль.",
        "This education profile is linked to another account. Choose another profile.",
    ),
    ProblemCode.ALREADY_LINKED: (
        "Учётная запись уже привязана. Чтобы сменить профиль, сначала отвяжите её.",
        "The account is linked already. Unlink it first to change the profile.",
    ),
    ProblemCode.NOT_LINKED: ("Учётная запись не привязана к Сферуму.", "The account is not linked to Sferum."),
    ProblemCode.STATE_UNKNOWN: (
        "Ссылка недействительна. Начните привязку заново в электронной школе.",
        "The link is not valid. Begin again in the school system.",
    ),
    ProblemCode.STATE_EXPIRED: (
        "Время на привязку вышло. Начните её заново в электронной школе.",
        "The time to link has passed. Begin again in the school system.",
    ),
    ProblemCode.STATE_USED: (
        "Эта ссылка уже использована. Начните привязку заново в электронной школе.",
        "This link was used already. Begin again in the school system.",
    ),
    ProblemCode.STATE_OF_ANOTHER_USER: (
        "Привязку начал кто-то другой или в другом браузере. Начните её заново в этом браузере.",
        "Somebody else, or another browser, began this. Begin again in this browser.",
    ),
    ProblemCode.AUTHORIZATION_DENIED: (
        "VK ID не подтвердил привязку. Ничего не изменилось; можно попробовать ещё раз.",
        "VK ID did not confirm. Nothing has changed; you may try again.",
    ),
    ProblemCode.RETURN_ADDRESS_NOT_ALLOWED: (
        "Этот адрес возврата не разрешён настройками.",
        "The settings do not allow this return address.",
    ),
    ProblemCode.IDEMPOTENCY_KEY_REUSED: (
        "Этот ключ уже использован для другого запроса.",
        "This key was used for another request.",
    ),
    ProblemCode.EVENT_IMPOSSIBLE: ("Событие невозможно: {reason}.", "The event is impossible: {reason}."),
    ProblemCode.TRY_AGAIN: ("Не получилось. Попробуйте ещё раз.", "That did not work. Try again."),
}

_JOIN_REFUSALS: dict[JoinRefusalReason, tuple[str, str]] = {
    JoinRefusalReason.NOT_STARTED: (
        "Видеоконференция ещё не началась: подключиться можно будет, когда она начнётся.",
        "The videoconference has not started: connect once it has.",
    ),
    JoinRefusalReason.STARTING: (
        "Видеоконференция вот-вот начнётся: попробуйте через минуту.",
        "The videoconference is about to begin: try again in a minute.",
    ),
    JoinRefusalReason.OVER: ("Видеоконференция завершена.", "The videoconference is over."),
    JoinRefusalReason.FAILED: ("Видеоконференция не состоялась.", "The videoconference did not take place."),
    JoinRefusalReason.NOT_A_PARTICIPANT: (
        "Вы не участвуете в этой видеоконференции: попросите организатора добавить вас.",
        "You do not take part in this videoconference: ask its organizer to add you.",
    ),
    JoinRefusalReason.BLOCKED: (
        "Ваша учётная запись заблокирована: обратитесь к администратору школы.",
        "Your account is blocked: ask the school's administrator.",
    ),
}


def message_of(problem: Problem, language: Language) -> str:
    """The sentence for a user."""
    russian, english = MESSAGES[problem.code]
    return (russian if language == "ru" else english).format(**problem.facts)


def join_refusal_message(reason: JoinRefusalReason, language: Language) -> str:
    """Why somebody does not get the link, and what to do (CONF-12)."""
    russian, english = _JOIN_REFUSALS[reason]
    return russian if language == "ru" else english


def unlinked_message(total: int, language: Language) -> str:
    """The question of the warning before people are added who have not linked a profile (CHAT-13)."""
    if language == "ru":
        return f"Не привязали учебный профиль VK ID: {total}. Они появятся в чате Сферума, когда привяжут. Сохранить?"
    return f"Without a linked education profile: {total}. They will be in the Sferum chat once they link. Save?"


def unlink_message(chats: int, owned: int, language: Language) -> str:
    """The question of the warning before a chat administrator unlinks (SYNC-06)."""
    if language == "ru":
        return (
            f"Вы выйдете из чатов Сферума: {chats}. Без владельца в Сферуме останутся: {owned}, пока учётную запись "
            "не привяжет другой администратор. Отвязать аккаунт от Сферума?"
        )
    return (
        f"Sferum chats that you will leave: {chats}. Without an owner in Sferum: {owned}, until another administrator "
        "links an account. Unlink the account from Sferum?"
    )


def refusal_message(link: str | None, language: Language, *, of_themselves: bool) -> str:
    """Why a member is not in the mirrored chat, and what to do; to themselves, or to who lets people in (SYNC-04)."""
    if language == "ru":
        whom = "вас" if of_themselves else "участника"
        do = "Разрешите" if of_themselves else "Попросите его разрешить"
        come = f" или войти в чат по ссылке: {link}" if link else "; попытка повторяется сама, каждые шесть часов"
        return (
            f"Сферум не добавляет {whom} в чат: этого не позволяют настройки приватности в VK. "
            f"{do} приглашения в чаты{come}."
        )
    whom = "you" if of_themselves else "this member"
    do = "Allow" if of_themselves else "Ask them to allow"
    come = f", or to come in by the link: {link}" if link else "; it is tried again by itself every six hours"
    return (
        f"Sferum does not let {whom} into the chat: the privacy settings in VK do not allow it. "
        f"{do} invitations to chats{come}."
    )


def language_of(accept_language: str) -> Language:
    """The first of our languages that the client would take, by its weights (RFC 9110, 12.5.4); Russian else."""
    wanted: list[tuple[float, Language]] = []
    for part in accept_language.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        match name.strip().lower().partition("-")[0]:
            case "ru" | "*":
                wanted.append((quality, "ru"))
            case "en":
                wanted.append((quality, "en"))
            case _:
                pass
    best: tuple[float, Language] = max(wanted, key=lambda each: each[0], default=(1.0, "ru"))
    return best[1] if best[0] > 0 else "ru"
