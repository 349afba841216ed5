"""Standings: what the rungs have seen, who is compared with whom, and who runs on although it was to be stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from study.decision import Decision, Vectors, decide, rungs
from study.fronts import Fronts

NAMED_DOMINATORS = 10  # per decision, those that came first: at a rung of thousands there would be thousands each time
Keys = tuple[Hashable, ...]


@dataclass(frozen=True)
class Rules:
    """How trials are judged: the arguments of ParetoASHA, which says what they mean.

    Raises:
        ValueError: one is outside what is allowed.
    """

    max_t: int
    grace_period: int
    reduction_factor: float
    brackets: int
    strata: tuple[str, ...]
    cells: tuple[str, ...]
    soft_until: int
    audit: float
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.grace_period <= self.max_t:
            raise ValueError(f"grace_period is {self.grace_period}; it must be from 1 to max_t ({self.max_t})")
        if not self.reduction_factor > 1:
            raise ValueError(f"reduction_factor is {self.reduction_factor}; it must be above 1")
        most = max(1, len(rungs(self.grace_period, self.reduction_factor, self.max_t)))
        if not 1 <= self.brackets <= most:
            raise ValueError(f"brackets is {self.brackets}; it must be from 1 to the number of rungs, {most}")
        if self.soft_until and not self.cells:
            raise ValueError(f"soft_until is {self.soft_until}; it needs cells: config keys in which repetitions agree")
        if not 0 <= self.audit <= 1:
            raise ValueError(f"audit is {self.audit}; it must be a share from 0 to 1")


class Filed(NamedTuple):
    """One trial's entry at a rung, as plain values from which Standings can be filled again."""

    name: str
    config: Mapping[str, Any]
    rung: int
    values: tuple[float, ...]
    decision: Decision


class Standings:
    """Judges trials at rungs and remembers it.

    Attributes:
        rungs: the steps at which trials are judged, those of bracket 0; bracket s leaves out the first s.
        filed: everything that was filed, in its order; of the config only what decides who competes.
        decisions: (trial, rung) -> Decision; `dominated_by` holds names, NAMED_DOMINATORS at most.
    """

    def __init__(self, modes: Sequence[str], rules: Rules) -> None:
        self.rungs = rungs(rules.grace_period, rules.reduction_factor, rules.max_t)
        self.filed: list[Filed] = []
        self.decisions: dict[tuple[str, int], Decision] = {}
        self._rules = rules
        self._signs = np.array([1.0 if mode == "min" else -1.0 for mode in modes])
        self._records: dict[tuple[Keys, int, int], _Record] = {}  # (stratum, bracket, rung)
        self._survivors: dict[Keys, dict[str, int]] = {}  # cell -> trial -> the highest rung it has passed
        self._drawn: dict[str, tuple[int, bool]] = {}
        self._refused: dict[str, bool] = {}  # trials that were not kept at a rung -> whether they run on for the audit

    def goes_on(self, name: str, config: Mapping[str, Any], step: int, values: tuple[float, ...]) -> bool:
        """Whether a trial that reports these values goes on. A decision once made stands, whatever is reported again.

        The trial is filed at the highest of its rungs that it has reached; one that is not finite at its next one.

        Raises:
            ValueError: the config lacks a key of the strata or cells.
        """
        finite = bool(np.isfinite(values).all())
        if name in self._refused:
            return finite and self._refused[name]  # It counts where it was to be stopped, and at no later rung.
        own = self.rungs[self._draws(name)[0] :]
        reached = [rung for rung in own if rung <= step]
        at = reached[-1:] if finite else [rung for rung in own if rung >= step][:1]
        if not at:
            return finite
        decision = self.decisions.get((name, at[0])) or self._judge(name, config, at[0], values)
        return decision.keep or decision.audited

    def restore(self, filed: Filed) -> None:
        """File again what was filed before, with the decision that was made then; call it in the same order."""
        if (filed.name, filed.rung) not in self.decisions:
            self._file(filed._replace(config=self._relevant(filed.name, filed.config)))

    def _judge(self, name: str, config: Mapping[str, Any], rung: int, values: tuple[float, ...]) -> Decision:
        config = self._relevant(name, config)
        record = self._record(name, config, rung)
        against = record.fronts
        decision = decide(np.array(values) * self._signs, against.rows, self._rules.reduction_factor, against.numbers)
        named = tuple(record.names[int(i)] for i in decision.dominated_by[:NAMED_DOMINATORS])
        decision = decision._replace(dominated_by=named)
        if not decision.keep and np.isfinite(values).all():
            if self._is_last_of_its_cell(name, config, rung):
                decision = decision._replace(keep=True, reason=f"{decision.reason}; kept as the last of its cell")
            elif self._draws(name)[1]:
                decision = decision._replace(audited=True, reason=f"{decision.reason}; runs on for the audit")
        self._file(Filed(name, config, rung, values, decision))
        return decision

    def _file(self, filed: Filed) -> None:
        name, config, rung, values, decision = filed
        self.filed.append(filed)
        self.decisions[name, rung] = decision
        self._record(name, config, rung).add(name, np.array(values) * self._signs)
        cell = self._survivors.setdefault(tuple(config[key] for key in self._rules.cells), {})
        if decision.keep:
            cell[name] = rung
        else:
            cell.pop(name, None)
            self._refused[name] = decision.audited

    def _record(self, name: str, config: Mapping[str, Any], rung: int) -> _Record:
        stratum = tuple(config[key] for key in self._rules.strata)
        return self._records.setdefault((stratum, self._draws(name)[0], rung), _Record(len(self._signs)))

    def _relevant(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        keys = {*self._rules.strata, *self._rules.cells}
        if missing := sorted(keys - set(config)):
            raise ValueError(f"trial {name} has no {', '.join(missing)} in its config; strata and cells are made of it")
        return {key: config[key] for key in keys}

    def _is_last_of_its_cell(self, name: str, config: Mapping[str, Any], rung: int) -> bool:
        """Whether nobody else of the cell has passed this rung, where the stop is soft."""
        cell = self._survivors.get(tuple(config[key] for key in self._rules.cells), {})
        return rung < self._rules.soft_until and not any(
            passed >= rung for other, passed in cell.items() if other != name
        )

    def _draws(self, name: str) -> tuple[int, bool]:
        """The trial's bracket, and whether it would run on for the audit.

        From a generator of the trial's own, so that they are the same in whichever order trials come, and after a
        restore. Bracket s has a probability that falls as e^-s, as in Ray's ASHA.
        """
        if name not in self._drawn:
            digest = hashlib.sha256(f"{self._rules.seed} {name}".encode()).digest()
            generator = np.random.default_rng(int.from_bytes(digest, "big"))
            weights = np.exp(-np.arange(self._rules.brackets))
            bracket = int(generator.choice(self._rules.brackets, p=weights / weights.sum()))
            self._drawn[name] = bracket, bool(generator.random() < self._rules.audit)
        return self._drawn[name]


class _Record:
    """What the trials of one stratum and bracket reported at one rung, in order of arrival; less is better."""

    def __init__(self, objectives: int) -> None:
        self.names: list[str] = []
        self.fronts = Fronts(objectives)

    def add(self, name: str, vector: Vectors) -> None:
        self.fronts.add(vector)
        self.names.append(name)
