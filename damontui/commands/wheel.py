"""Puts the man page, made from the command line's declaration, into a wheel, which pyproject.toml cannot do."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools.dist import Distribution

PAGE = "share/man/man1/damontui.1"
_install_data = Distribution().get_command_class("install_data")


class WithPage(_install_data):  # type: ignore[misc, valid-type]
    """setuptools' command for files beside the package (``tool.setuptools.cmdclass``); nothing else imports it."""

    def run(self) -> None:
        """Write the page where the wheel is put together."""
        sys.path.insert(0, str(Path(__file__).parents[2]))  # the package is not installed where it is built
        from damontui.commands.page import page

        path = Path(self.install_dir, PAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page())
        self.outfiles.append(str(path))
