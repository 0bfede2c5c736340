"""The one exception that carries a message for the user."""


class MidspanError(Exception):
    """Something the user can mend: the command line prints it in one line and exits with code 2.

    `message` says what is wrong and where, `hint` what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message
