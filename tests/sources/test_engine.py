"""The engine as a source, with a clock that moves only where the engine waits."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from damontui.damon.attrs import PAGE_SIZE, Attrs
from damontui.damon.context import Context
from damontui.damon.operations import Operations, Target
from damontui.damon.snapshot import Event, Ints, Snapshot, State, Status
from damontui.errors import SourceError
from damontui.operations.areas import Area, poisson
from damontui.operations.scenes import scene
from damontui.operations.workload import Workload
from damontui.sources.base import Source
from damontui.sources.engine import EngineSource

FIXED = Attrs(goal=None)


class Time:
    """A clock, and the waiting that moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cpu = 0.0
        self.waits = 0
        self.then: list[Callable[[], None]] = []

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1.7e9 + self.now

    def cpu_clock(self) -> float:
        return self.cpu

    def wait(self, stop: threading.Event, seconds: float) -> None:
        assert 0 < seconds <= 0.25 + 1e-9
        self.waits += 1
        self.now += seconds
        for action in self.then:
            action()


def small(rng: np.random.Generator) -> Workload:
    return Workload([Area("hot", 0, 1 << 20, poisson(1000)), Area("cold", 1 << 20, 1 << 22)], rng=rng)


def source(time: Time, **changes: object) -> EngineSource:
    options: dict[str, object] = {
        "make_operations": small,
        "attrs": FIXED,
        "seed": 1,
        "target": "demo:small",
        "title": "small",
        "clock": time.clock,
        "wall": time.wall,
        "cpu_clock": time.cpu_clock,
        "wait": time.wait,
    }
    return EngineSource(**(options | changes))  # type: ignore[arg-type]


def snapshots(events: Iterator[Event], many: int) -> list[Snapshot]:
    return list(islice((event for event in events if isinstance(event, Snapshot)), many))


def test_it_says_what_it_waits_for_and_describes_itself() -> None:
    time = Time()
    engine: Source = source(time, speed=0.5, reason="There is no DAMON here.")
    with engine:
        first = next(engine.snapshots(threading.Event()))
        assert first == Status("waiting", "first aggregation, at most 200 ms", 0.0, 1.7e9 + 1000, 0.1)
        about = engine.describe()
        assert (about.target, about.title, about.origin, about.speed) == ("demo:small", "small", "simulated", 0.5)
        assert about.reason == "There is no DAMON here."
        assert about.attrs == FIXED


@pytest.mark.parametrize("speed", [1.0, 60.0])
def test_model_time_keeps_to_the_wall(speed: float) -> None:
    time = Time()
    found = snapshots(source(time, speed=speed).snapshots(threading.Event()), 50)
    assert found[-1].time == pytest.approx(5.0)
    assert time.now == pytest.approx(1000 + 5.0 / speed)
    assert found[-1].wall == pytest.approx(1.7e9 + time.now, abs=1e-3)
    assert found[-1].late == 0
    assert all(b.began == a.time for a, b in pairwise(found))


def test_as_fast_as_it_goes_never_waits() -> None:
    time = Time()
    found = snapshots(source(time, speed=math.inf).snapshots(threading.Event()), 100)
    assert found[-1].time == pytest.approx(10.0)
    assert (time.waits, found[-1].late) == (0, 0)


def test_a_missed_deadline_is_counted_and_nothing_after_it_is_shifted() -> None:
    time = Time()
    events = source(time).snapshots(threading.Event())
    assert snapshots(events, 10)[-1].late == 0
    time.now += 0.152  # the machine was busy: one whole aggregation too late and a half
    late = snapshots(events, 10)
    # 52 ms after the next aggregation's deadline: 11 of its samples should have been taken before
    assert [one.late for one in late] == [11] * 10
    assert time.now == pytest.approx(1002.0)
    assert late[-1].time == pytest.approx(2.0)


def test_an_engine_too_slow_for_its_speed_says_so() -> None:
    time = Time()
    events = source(time, speed=60.0).snapshots(threading.Event())
    for _ in range(10):
        last = snapshots(events, 1)[0]
        time.now += 0.01  # an aggregation comes every 1.67 ms
    assert last.late == 9 * 20
    assert last.time == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_snapshots_and_a_restart_too() -> None:
    def course(engine: EngineSource) -> list[list[int]]:
        found = snapshots(engine.snapshots(threading.Event()), 40)
        return [
            [*one.start.tolist(), *one.nr_accesses.tolist(), *one.age.tolist(), one.attrs.sample_us] for one in found
        ]

    def make(rng: np.random.Generator) -> Workload:
        return scene("stairs", rng)

    one = source(Time(), make_operations=make, attrs=Attrs())
    first = course(one)
    assert first == course(source(Time(), make_operations=make, attrs=Attrs()))
    assert first == course(one)
    assert first != course(source(Time(), make_operations=make, attrs=Attrs(), seed=2))


def test_a_stop_ends_it_without_a_word() -> None:
    time, stop = Time(), threading.Event()
    time.then.append(lambda: stop.set() if time.now > 1000.95 else None)
    found = list(source(time).snapshots(stop))
    assert [type(event) for event in found[1:]] == [Snapshot] * 9
    assert time.now < 1001.1


def test_switched_off_it_ends_within_a_tenth_of_a_second_even_in_a_long_aggregation() -> None:
    time = Time()
    engine = source(time, attrs=Attrs(sample_us=5_000_000, aggr_us=100_000_000, goal=None))
    time.then.append(lambda: setattr(engine, "enabled", False) if time.now >= 1003 else None)
    found = list(engine.snapshots(threading.Event()))
    assert [event.state for event in found if isinstance(event, Status)] == ["waiting", "off"]
    assert len(found) == 2
    assert time.now < 1003.2
    assert engine.enabled is False
    assert [event.state for event in engine.snapshots(threading.Event()) if isinstance(event, Status)] == ["off"]


def test_a_models_time_goes_on_while_it_is_off() -> None:
    time = Time()
    engine = source(time)
    before = snapshots(engine.snapshots(threading.Event()), 3)
    time.now += 20.0
    after = snapshots(engine.snapshots(threading.Event()), 3)
    assert [s.time for s in before] == pytest.approx([0.1, 0.2, 0.3])
    assert [s.time for s in after] == pytest.approx([20.4, 20.5, 20.6])
    assert after[0].began == pytest.approx(20.3)
    assert [s.watched for s in after] == pytest.approx([0.1, 0.2, 0.3])
    # memory and chance begin anew, as they always did
    assert [s.nr_accesses.tolist() for s in before] == [s.nr_accesses.tolist() for s in after]
    assert before[0].truth == after[0].truth


def test_a_lead_is_not_waited_for() -> None:
    time = Time()
    engine = source(time)
    engine.lead = 1.0
    began = time.now
    found = snapshots(engine.snapshots(threading.Event()), 14)
    ahead = [s for s in found if s.began < 1.0 - 1e-9]
    assert all(s.cpu is None for s in ahead)
    assert len(ahead) < len(found)
    assert sum(s.late for s in found) == 0
    assert time.now - began == pytest.approx(found[-1].time - ahead[-1].time)


def test_switched_on_again_it_starts_afresh() -> None:
    time = Time()
    engine = source(time, enabled=False)
    assert [event.state for event in engine.snapshots(threading.Event()) if isinstance(event, Status)] == ["off"]
    engine.enabled = True
    events = engine.snapshots(threading.Event())
    assert next(events).time == 0.0
    assert snapshots(events, 3)[-1].time == pytest.approx(0.3)
    # off and on before the engine looked: it starts afresh in the same iteration
    engine.enabled = False
    engine.enabled = True
    again = next(events)
    assert isinstance(again, Status)
    assert (again.state, again.time) == ("waiting", pytest.approx(0.3))  # and its time goes on
    assert snapshots(events, 1)[0].time == pytest.approx(0.4)


def test_only_its_own_cpu_time_is_overhead() -> None:
    time = Time()

    def make(rng: np.random.Generator) -> Workload:
        model = small(rng)
        count = model.count

        def counted(*arguments: object) -> Ints:
            time.cpu += 0.002
            return count(*arguments)  # type: ignore[arg-type]

        model.count = counted  # type: ignore[method-assign, assignment]
        return model

    engine = source(time, make_operations=make)
    for event in islice(engine.snapshots(threading.Event()), 101):
        time.cpu += 0.5  # the consumer's
        if isinstance(event, Snapshot):
            last = event
    assert engine.overhead() == pytest.approx(0.2)
    assert last.cpu == pytest.approx(0.02, rel=0.05)


class Live:
    """Four pages of which the first is always accessed; no model: every sampling interval is waited for."""

    def __init__(self, time: Time, cost: float = 0.0) -> None:
        self.time = time
        self.cost = cost
        self.alive = True
        self.closed = False
        self.windows: list[float] = []
        self._prepared = (0.0, np.zeros(0, np.int64))

    def targets(self) -> Sequence[Target]:
        return [Target(1234, ((0, 8 * PAGE_SIZE),))]

    def prepare(self, addresses: Ints, target: Ints) -> None:
        self.time.now += self.cost
        self.time.cpu += self.cost
        self._prepared = (self.time.now, addresses)

    def check(self) -> NDArray[np.bool_]:
        self.windows.append(self.time.now - self._prepared[0])
        found: NDArray[np.bool_] = self._prepared[1] < PAGE_SIZE
        return found

    def update(self) -> None:
        pass

    def valid(self) -> bool:
        return self.alive


class LiveSource(EngineSource):
    """With every hook taken."""

    costs: list[float]

    def close(self, operations: Operations) -> None:
        assert isinstance(operations, Live)
        operations.closed = True

    def observed(self, context: Context, cpu: float) -> None:
        self.costs.append(cpu)

    def gone(self, operations: Operations) -> tuple[State, str]:
        return "gone", "process 1234 ended"


def live(time: Time, operations: Live) -> LiveSource:
    engine = LiveSource(
        lambda rng: operations,
        FIXED,
        seed=1,
        target="1234",
        title="process 1234",
        clock=time.clock,
        wall=time.wall,
        cpu_clock=time.cpu_clock,
        wait=time.wait,
    )
    engine.costs = []
    return engine


def test_a_live_set_is_sampled_at_absolute_deadlines() -> None:
    time = Time()
    operations = Live(time, cost=0.001)
    engine = live(time, operations)
    found = snapshots(engine.snapshots(threading.Event()), 10)
    assert time.now == pytest.approx(1001.0)
    assert [one.time for one in found] == pytest.approx([1000 + 0.1 * (i + 1) for i in range(10)])
    assert (found[-1].late, found[-1].targets) == (0, (1234,))
    assert operations.windows == pytest.approx([0.004] * 200)
    assert engine.costs[:3] == pytest.approx([0.001] * 3)
    assert engine.overhead() == pytest.approx(0.2)


def test_a_live_set_that_costs_more_than_the_interval_misses_deadlines_and_says_so() -> None:
    time = Time()
    operations = Live(time, cost=0.007)
    found = snapshots(live(time, operations).snapshots(threading.Event()), 2)
    assert min(operations.windows) >= 0.0025 - 1e-9
    # 7 ms and a half interval at least: every second deadline of 5 ms
    assert found[-1].late == 40
    assert found[-1].time - found[0].time == pytest.approx(0.2)


def test_a_target_that_ends_is_gone_with_the_subclass_s_words() -> None:
    time = Time()
    operations = Live(time)
    time.then.append(lambda: setattr(operations, "alive", time.now < 1000.25))
    found = list(live(time, operations).snapshots(threading.Event()))
    last = found[-1]
    assert isinstance(last, Status)
    assert (last.state, last.text) == ("gone", "process 1234 ended")
    assert sum(isinstance(event, Snapshot) for event in found) == 2
    assert operations.closed
    # and where it was gone before it began
    assert [type(event) for event in live(time, operations).snapshots(threading.Event())] == [Status]


def test_a_stop_ends_live_sampling_and_closes() -> None:
    time, stop = Time(), threading.Event()
    operations = Live(time)
    time.then.append(lambda: stop.set() if time.now > 1000.05 else None)
    assert len(list(live(time, operations).snapshots(stop))) == 1
    assert operations.closed


def test_what_the_world_does_passes_through() -> None:
    def refuse(rng: np.random.Generator) -> Operations:
        raise SourceError("cannot watch process 1", "it is not yours", "run it as root")

    with pytest.raises(SourceError, match="not yours"):
        list(source(Time(), make_operations=refuse).snapshots(threading.Event()))


def test_in_real_time_a_thread_stops_at_once() -> None:
    stop = threading.Event()
    seen: list[Event] = []
    engine = EngineSource(small, Attrs(sample_us=10**8, aggr_us=10**9, goal=None), target="demo", title="long", seed=1)

    def run() -> None:
        seen.extend(engine.snapshots(stop))

    thread = threading.Thread(target=run)
    thread.start()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert all(isinstance(event, Status) for event in seen)
