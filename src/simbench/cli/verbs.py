"""The verbs: one small module each, imported only when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from simbench.errors import ConfigError, closest

__all__ = ["VERBS", "run_verb"]

VERBS = {
    "help": ("", "list the verbs"),
    "demo": ("simbench.cli.demo", "the main job: a model learns from some people of a study and plays the others"),
    "new": ("simbench.cli.new", "a study.yaml from a table, or a plugin: a draft that runs as it is"),
    "check": ("simbench.cli.checking", "a study.yaml or a plugin's part looked over before anything is spent"),
    "report": ("simbench.cli.report", "an HTML page and figures about one run or many"),
    "status": ("simbench.cli.status", "runs that are done, failed, running or missing, and the spend"),
    "export": ("simbench.cli.export", "describe run folders for an archive (Croissant)"),
    "compare": ("simbench.cli.compare", "runs against each other: leaderboard, ranks, paired differences, cost"),
    "score": ("simbench.cli.score", "finished runs asked for other figures, from their folders alone"),
    "infer": ("simbench.cli.infer", "valid estimates from all people and a simulation of them"),
    "simulate": ("simbench.cli.simulate", "a finished run's model answers for new people or under new conditions"),
    "pretrain": ("simbench.cli.pretrain", "an adapter that has learned from people of other studies, to start from"),
    "plan": ("simbench.cli.plan", "how many humans and simulated people a precision takes, and what they cost"),
    "plugins": ("simbench.cli.plugins", "list every experiment, sampler, backend and metric"),
    "cache": ("simbench.cli.cache", "show, prune and merge the cache of paid answers"),
    "estimate": ("simbench.cli.estimate", "tokens, cost and time of a run, before anything is sent"),
    "show": ("simbench.cli.show", "what one plugin is and every setting it has"),
}


def run_verb(verb: str, words: Sequence[str]) -> int:
    """Carry out a verb; its module has ``main(words) -> exit code``."""
    if verb not in VERBS:
        raise ConfigError(
            f"there is no verb {verb!r}{closest(verb, VERBS)} A run is written as key=value, "
            "for instance: simbench experiment=framing backend=uniform"
        )
    if verb == "help":
        for name, (_, what) in VERBS.items():
            print(f"simbench {name:<9} {what}")
        return 0
    code: int = import_module(VERBS[verb][0]).main(list(words))
    return code
