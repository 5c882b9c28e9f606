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
START = 0.3
WARM = 0.5
UP = 0.01
DOWN = 0.02
RHO = 0.5
BACK = 0.05


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
        self.state = np.empty((5, 0))  # pos0, looks0 (extensive), seen, born
        self.idx = np.empty((0, 0), np.int64)
        self.warm = np.empty((0, 0))
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
        self.columns.append(
            _Column(np.minimum(k, n), n, snap.sizes.astype(float), snap.attrs.sample_us / 1e6, snap.began, snap.time)
        )
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
        idx_shape = (len(self.columns) + 1, len(a))
        state = np.zeros((5, len(a)))
        state[2] = -np.inf
        state[3] = snap.began
        state[4] = START
        warm = np.full(idx_shape, WARM)
        idx = np.full((len(self.columns) + 1, len(a)), -1)
        if ok.any():
            o = old[ok]
            state[:, ok] = self.state[:, o]
            state[:2, ok] *= size[ok] / (oe - os_)[o]
            idx[:-1, ok] = self.idx[:, o]
            warm[:-1, ok] = self.warm[:, o]
            warm[-1, ok] = self.warm[-1, o] if len(self.warm) else state[4, ok]
        idx[-1] = new
        self.target, self.start, self.end = a // span, a % span, a % span + (b - a)
        self.state, self.idx, self.warm = state, idx, warm

    def _solve(self):
        if self._solved is not None:
            return self._solved
        C, P = self.idx.shape
        cols = self.columns
        off = np.cumsum([0] + [len(c.k) for c in cols])
        total = off[-1]
        K, N, S = (
            np.concatenate([getattr(c, f) for c in cols] + [np.array([0.0 if f == "k" else 1.0])])
            for f in ("k", "n", "size")
        )
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
        Kp, Np = K[flat], np.maximum(N[flat], 1e-9)
        Kp[self.idx < 0] = 0
        mean = Kp / Np
        ns = n * s
        z = self.warm
        q = np.minimum(mean, 1.0)
        A = n * mean * z
        for r in range(ROUNDS):
            looks = kern @ (z * ns) + k0 * looks0 + RHO * ns + 1e-12
            rate = (kern @ A + k0 * pos0 + RHO * n * mean) / looks
            q = np.minimum(rate * s, 1.0)
            e = n * q
            m = z * e + 1e-9 * n
            den = np.bincount(ff, m.ravel(), minlength=total + 1)[flat]
            B = np.clip(den - m, 0, None) + BACK
            e2 = np.minimum(e, np.maximum(Np - B - 0.02, 1e-9))
            like = Kp * np.log1p(e2 / B) + (Np - Kp) * np.log1p(-np.minimum(e2 / np.maximum(Np - B, 1e-6), 0.999999))
            like[n <= 0] = 0
            z = self._smooth(np.exp(np.clip(like, -30, 30)))
            m = z * e + 1e-9 * n
            den = np.bincount(ff, m.ravel(), minlength=total + 1)[flat]
            A = np.minimum(m * Kp / np.maximum(den, BACK), n)
        self.warm = z
        touched = (z > 0.5) & (n > 0)
        self._solved = (A, n, touched, rate, z)
        return self._solved

    def _smooth(self, L):
        C, P = L.shape
        pred = np.empty((C, P))
        p = self.state[4]
        for t in range(C):
            p = UP + (1 - UP - DOWN) * p
            pred[t] = p
            x = p * L[t]
            p = x / (x + 1 - p)
        b = np.ones(P)
        out = np.empty((C, P))
        for t in range(C - 1, -1, -1):
            x = pred[t] * L[t] * b
            out[t] = x / (x + 1 - pred[t])
            y = L[t] * b
            b = np.clip(((1 - DOWN) * y + DOWN) / (UP * y + 1 - UP), 1e-12, 1e12)
        self._like = L
        return out

    def _commit(self, many):
        A, n, touched, rate, z = self._solve()
        for t in range(many):
            c = self.columns[t]
            d = 2.0 ** (-z[t] / HALF)
            self.state[0] = self.state[0] * d + A[t]
            self.state[1] = self.state[1] * d + z[t] * n[t] * c.sample
            self.state[2][touched[t]] = c.time
            p = UP + (1 - UP - DOWN) * self.state[4]
            x = p * self._like[t]
            self.state[4] = x / (x + 1 - p)
        del self.columns[:many]
        self.idx = self.idx[many:]
        self.warm = self.warm[many:]
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
        same = (
            (self.target[1:] == self.target[:-1])
            & (self.start[1:] == self.end[:-1])
            & (self.idx[:, 1:] == self.idx[:, :-1]).all(axis=0)
        )
        s = self.columns[-1].sample
        same &= np.abs(idle[1:] - idle[:-1]) <= 0.03 * np.minimum(idle[1:], idle[:-1])
        hi, lo = np.maximum(rate[1:], rate[:-1]), np.minimum(rate[1:], rate[:-1])
        same &= (hi * s < FLOOR) | (hi < 1.5 * lo)
        keep = np.concatenate(([True], ~same))
        first = np.flatnonzero(keep)
        if len(first) == P:
            return
        w = np.add.reduceat(size, first)
        st = self.state
        new = np.empty((5, len(first)))
        new[:2] = np.add.reduceat(st[:2], first, axis=1)
        new[2] = np.maximum.reduceat(st[2], first)
        new[3] = np.add.reduceat(st[3] * size, first) / w
        self.state = new
        self.target, self.start = self.target[first], self.start[first]
        self.end = self.end[np.append(first[1:], P) - 1]
        self.idx = self.idx[:, first]
        self.warm = np.add.reduceat(self.warm * size, first, axis=1) / w
        new[4] = np.add.reduceat(st[4] * size, first) / w
        self._solved = None

    def share(self, T):
        """now"""
        A, n, touched, rate, z = self._solve()
        seen = self.state[2].copy()
        for t, c in enumerate(self.columns):
            seen[touched[t]] = c.time
        now = self.columns[-1].time
        last = np.maximum(seen, self.state[3])
        size = (self.end - self.start).astype(float)
        idle = now - last
        return [float(size[(idle >= x - 1e-9)].sum() / size.sum()) for x in T]
