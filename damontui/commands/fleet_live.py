"""A machine of the fleet on the live screen, by a record that comes through ssh."""

from __future__ import annotations

import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from damontui.commands.context import Context
from damontui.commands.signals import Ended, Signals, entered
from damontui.errors import SourceError
from damontui.fleet.ssh import host_of, ssh_command
from damontui.safe_text import shown

PATIENCE_S = 90.0
"""Seconds within which something must come: ssh's own 10 s, and the first aggregation on the machine."""
_SAID = 2000
"""Bytes of ssh's own messages that are read."""


def watch(context: Context, instance: str) -> str:
    """Show that machine until its screen is closed.

    Returns:
        Why there was nothing to show, in one sentence; "" where there was.

    Raises:
        Ended: where a signal ended it.
    """
    from damontui.commands.app import show
    from damontui.sources.active import ActiveSource
    from damontui.sources.stream import StreamSource

    _between(context.signals)
    try:
        with piped(instance) as (descriptor, why):
            wait = patient(PATIENCE_S)
            try:
                source = StreamSource(descriptor, wait)
            except SourceError as error:
                said = why()
                raise SourceError(f"cannot watch {host_of(instance)} live", said or error.why) from error
            with entered(ActiveSource(source), context.signals) as active:
                show(context, active)
    except SourceError as error:
        return str(error)
    finally:
        _between(context.signals)
    return ""


def _between(signals: Signals) -> None:
    """Between two screens, let a signal end the program, as there is no screen to ask."""
    signals.polite = None
    signals.limit(0, lambda: Ended(signals.signum))
    signals.resume()


def patient(seconds: float, clock: Callable[[], float] = time.monotonic) -> Callable[[int, float | None], bool]:
    """A function that waits for a descriptor; `SourceError` where nothing comes within ``seconds`` at first."""
    end: list[float] = [clock() + seconds]

    def wait(descriptor: int, limit: float | None) -> bool:
        ready = bool(select.select([descriptor], [], [], max(0.0, end[0] - clock()) if limit is None else limit)[0])
        if not ready and limit is None:
            raise SourceError("nothing came", f"no record within {seconds:g} s")
        return ready

    return wait


@contextmanager
def piped(instance: str) -> Iterator[tuple[int, Callable[[], str]]]:
    """The descriptor of ssh's output, and a function that tells why no more comes; leaving it ends ssh.

    Raises:
        UsageError: the instance names no machine.
        SourceError: there is no ssh.
    """
    command = ssh_command(instance)
    program = shutil.which(command[0])
    if program is None:
        what = f"cannot watch {host_of(instance)} live"
        raise SourceError(what, "there is no ssh here", "apt-get install openssh-client")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # it has no terminal to ask anything at, and none of its keys
        )
        assert process.stdout is not None
        try:
            yield process.stdout.fileno(), lambda: _why(process, said)
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _why(process: subprocess.Popen[bytes], said: IO[bytes]) -> str:
    """The last line of what ssh, or the program there, said, where it has ended; "" while it runs."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(2)
    if process.returncode is None:
        return ""
    size = said.seek(0, 2)
    said.seek(max(0, size - _SAID))
    lines = said.read(_SAID).decode("utf-8", "replace").strip().splitlines()
    last = shown(lines[-1].strip())[:200] if lines else "nothing"
    return f"ssh ended with {process.returncode} and said: {last}"
