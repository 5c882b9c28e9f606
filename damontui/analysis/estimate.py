"""draft"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from damontui.damon.snapshot import Ints, Snapshot

Floats = NDArray[np.float64]
HALF = 8.0
ROUNDS = 4
FLOOR = 1e-3
PART = 0.4
SLACK = 2.0
LAM = 0.3
MID = False
SURV = False
JOIN = 1.5
JIDLE = 0.03


@dataclass(slots=True)
class _Column:
    k: Floats
    n: Floats
    size: Floats
    sample: float
    began: float
    time: float


class Estimator:
    def __init__(self, pieces: int = 4096, lag: int = 12) -> None:
        self.most = pieces
        self.lag = lag
        z = np.empty(0)
        self.target = np.empty(0, np.int64)
        self.start = np.empty(0, np.int64)
        self.end = np.empty(0, np.int64)
        self.state = np.empty((4, 0))  # pos0, looks0 (extensive), seen, born
        self.idx = np.empty((0, 0), np.int64)
        self.columns: list[_Column] = []
        self.targets: tuple[int, ...] = ()
        self.watched_from = np.nan
        self._solved = None

    def add(self, snap: Snapshot) -> None:
        if not len(snap):
            return
        if self.columns:
            last = self.columns[-1]
            if snap.began > last.time + 0.5 * (last.time - last.began):
                self._commit(len(self.columns))
                self.state[3] = np.maximum(self.state[3], snap.began)
                self.watched_from = snap.began
        else:
            self.watched_from = snap.began
        self._refine(snap)
        k = snap.nr_accesses.astype(float)
        n = np.full(len(k), float(snap.attrs.max_nr_accesses))
        self.columns.append(_Column(np.minimum(k, n), n, snap.sizes.astype(float), snap.attrs.sample_us / 1e6, snap.began, snap.time))
        self._solved = None
        if len(self.columns) > self.lag:
            self._commit(1)
            self._join()

    def _keys(self, target, addr, span):
        return target * span + addr

    def _refine(self, snap: Snapshot) -> None:
        span = 1 << int(max(snap.end.max(), self.end.max(initial=0))).bit_length()
        os_, oe = self.target * span + self.start, self.target * span + self.end
        ns, ne = snap.target * span + snap.start, snap.target * span + snap.end
        edges = np.unique(np.concatenate((os_, oe, ns, ne)))
        a = edges[:-1]
        new = np.searchsorted(ns, a, side="right") - 1
        newok = (new >= 0) & (a < ne[new])
        a, b, new = a[newok], edges[1:][newok], new[newok]
        if len(os_):
            old = np.searchsorted(os_, a, side="right") - 1
            ok = (old >= 0) & (a < oe[old])
        else:
            old = np.zeros(len(a), np.int64)
            ok = np.zeros(len(a), bool)
        size = (b - a).astype(float)
        state = np.zeros((4, len(a)))
        state[2] = -np.inf
        state[3] = snap.began
        idx = np.full((len(self.columns) + 1, len(a)), -1)
        if ok.any():
            o = old[ok]
            state[:, ok] = self.state[:, o]
            state[:2, ok] *= size[ok] / (oe - os_)[o]
            idx[:-1, ok] = self.idx[:, o]
        idx[-1] = new
        self.target, self.start, self.end = a // span, a % span, a % span + (b - a)
        self.state, self.idx = state, idx

    def _solve(self):
        if self._solved is not None:
            return self._solved
        C, P = self.idx.shape
        cols = self.columns
        off = np.cumsum([0] + [len(c.k) for c in cols])
        total = off[-1]
        K, N, S = (np.concatenate([getattr(c, f) for c in cols] + [np.array([0.0 if f == "k" else 1.0])]) for f in ("k", "n", "size"))
        s = np.array([c.sample for c in cols])[:, None]
        flat = np.where(self.idx >= 0, self.idx + off[:-1, None], total)
        size = (self.end - self.start).astype(float)
        n = (N / S)[flat] * size
        n[self.idx < 0] = 0
        ff = flat.ravel()
        t = np.arange(C)
        kern = 2.0 ** (-np.abs(t[:, None] - t) / HALF)
        k0 = 2.0 ** (-(t + 1) / HALF)[:, None]
        pos0, looks0 = self.state[0], self.state[1]
        looks = kern @ (n * s) + k0 * looks0 + 1e-12
        A = n * (K / N)[flat]
        cap = n + SLACK * np.sqrt(n * np.maximum(1 - n / N[flat], 0))
        for _ in range(ROUNDS):
            rate = (kern @ A + k0 * pos0) / looks
            q = np.minimum(rate * s, 1.0)
            e = n * np.maximum(q, FLOOR)
            den = np.bincount(ff, e.ravel(), minlength=total + 1)
            A = np.minimum(e * (K / np.maximum(den, 1e-300))[flat], cap)
            got = np.bincount(ff, A.ravel(), minlength=total + 1)
            room = np.maximum(cap - A, 0)
            rooms = np.bincount(ff, room.ravel(), minlength=total + 1)
            A += room * (np.maximum(K - got, 0) / np.maximum(rooms, 1e-300))[flat]
        span = np.array([c.time - c.began for c in cols])[:, None]
        touched = (rate * span > LAM) & (A > PART * n * (K / N)[flat]) & (n > 0) & (K[flat] > 0)
        self._solved = (A, n, touched, rate)
        return self._solved

    def _commit(self, many):
        A, n, touched, rate = self._solve()
        d = 2.0 ** (-1 / HALF)
        for t in range(many):
            c = self.columns[t]
            self.state[0] = self.state[0] * d + A[t]
            self.state[1] = self.state[1] * d + n[t] * c.sample
            self.state[2][touched[t]] = c.time
        del self.columns[:many]
        self.idx = self.idx[many:]
        self._solved = tuple(x[many:] for x in self._solved)

    def _join(self):
        P = len(self.start)
        if P < 2:
            return
        now = self.columns[-1].time
        size = (self.end - self.start).astype(float)
        last = np.maximum(self.state[2], self.state[3])
        idle = now - last
        rate = self.state[0] / (self.state[1] + 1e-12)
        i = np.arange(P - 1)
        same = (self.target[1:] == self.target[:-1]) & (self.start[1:] == self.end[:-1]) & (self.idx[:, 1:] == self.idx[:, :-1]).all(axis=0)
        s = self.columns[-1].sample
        same &= np.abs(idle[1:] - idle[:-1]) <= JIDLE * np.minimum(idle[1:], idle[:-1])
        hi, lo = np.maximum(rate[1:], rate[:-1]), np.minimum(rate[1:], rate[:-1])
        same &= (hi * s < FLOOR) | (hi < JOIN * lo)
        keep = np.concatenate(([True], ~same))
        first = np.flatnonzero(keep)
        if len(first) == P:
            return
        w = np.add.reduceat(size, first)
        st = self.state
        new = np.empty((4, len(first)))
        new[:2] = np.add.reduceat(st[:2], first, axis=1)
        new[2] = np.maximum.reduceat(st[2], first)
        new[3] = np.add.reduceat(st[3] * size, first) / w
        self.state = new
        self.target, self.start = self.target[first], self.start[first]
        self.end = self.end[np.append(first[1:], P) - 1]
        self.idx = self.idx[:, first]
        self._solved = None

    def share(self, T):
        """now"""
        A, n, touched, rate = self._solve()
        seen = self.state[2].copy()
        for t, c in enumerate(self.columns):
            seen[touched[t]] = c.time
        now = self.columns[-1].time
        last = np.maximum(seen, self.state[3])
        size = (self.end - self.start).astype(float)
        idle = now - last
        r = np.maximum(rate[-1], 1e-9)
        width = self.columns[-1].time - self.columns[-1].began
        out = []
        for x in T:
            part = np.clip((idle + width - x) / width, 0, 1) if MID else (idle >= x - 1e-9).astype(float)
            if SURV:
                lam = self.lam()
                part = np.maximum(part, np.exp(-lam * np.maximum(x - idle, 0)) * (now - self.state[3] >= x))
            out.append(float((size * part).sum() / size.sum()))
        return out

    def lam(self):
        rate = self._solved[3]
        return np.maximum.reduce(rate, axis=0)
