"""The one thing that pyproject.toml cannot say: a wheel has the man page, made from the command line's declaration."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.dist import Distribution

sys.path.insert(0, str(Path(__file__).parent))  # the package is not installed where it is built

PAGE = "share/man/man1/damontui.1"
install_data = Distribution().get_command_class("install_data")


class WithPage(install_data):
    """What a wheel installs beside the package."""

    def run(self):
        from damontui.commands.page import page

        path = Path(self.install_dir, PAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page())
        self.outfiles.append(str(path))


# a distribution without data files is not asked for any
setup(cmdclass={"install_data": WithPage}, data_files=[("share/man/man1", [])])
