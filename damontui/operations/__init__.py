"""Operations sets: how an access is observed."""
