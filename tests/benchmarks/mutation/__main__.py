"""Mutation testing: `python -m tests.benchmarks.mutation --mutants 300 --seed 0`, about two hours on two cores.

Draws small changes of the code (a comparison turned round, a statement left out …) and runs tests against each, in
copies of the project: those that execute the changed statement, first the package's own, then the fastest others. A
mutant is killed if a test fails or does not end. Prints the share killed per package and every survivor. A draw keeps
the mutants of code that has not changed. Results go to a file, line by line: started again with the same file, the
program does only what is missing, and runs the tests without a change again only where the code is another.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from tests.benchmarks.mutation.copies import Copy, Record, find_test_folders, merge
from tests.benchmarks.mutation.mutants import Mutant, find_mutants

PACKAGES = ("jobs", "runs", "training", "analysis")


def run(chosen: Sequence[Mutant], places: Sequence[Copy], results: Path) -> dict[Mutant, str]:
    """Try mutants, one at a time in each copy; return what killed each. Results in the file are not tried again."""
    keys = {mutant: mutant.key(places[0].root) for mutant in chosen}
    killers: dict[str, str] = {}
    if results.exists():
        lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        killers = {line["key"]: line["killed_by"] for line in lines}
    missing = [mutant for mutant in chosen if keys[mutant] not in killers]
    free: SimpleQueue[Copy] = SimpleQueue()
    for place in places:
        free.put(place)
    lock = Lock()

    def try_one(mutant: Mutant) -> None:
        place = free.get()
        killed_by = place.try_mutant(mutant, known)
        free.put(place)
        with lock, results.open("a", encoding="utf-8") as file:
            killers[keys[mutant]] = killed_by
            file.write(json.dumps(asdict(mutant) | {"key": keys[mutant], "killed_by": killed_by}) + "\n")
            print("killed  " if killed_by else "SURVIVED", mutant.describe(), flush=True)

    def record(folder: str) -> Record:
        place = free.get()
        try:
            return place.record(folder, results.with_suffix(f".{Path(folder).name}.json"))
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        known = merge(pool.map(record, find_test_folders(places[0].root)))
        list(pool.map(try_one, missing))
    return {mutant: killers[key] for mutant, key in keys.items()}


def main() -> None:
    """Try the mutants, and print the share killed per package and the survivors."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=PACKAGES)
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at the same time")
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "mutation.jsonl")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutation-") as name:
        places = [Copy(Path(name) / str(number)) for number in range(asked.jobs)]
        possible = [mutant for package in asked.packages for mutant in find_mutants(places[0].root, package)]
        chosen = sorted(possible, key=lambda mutant: mutant.rank(places[0].root, asked.seed))[: asked.mutants]
        print(f"{len(chosen)} of {len(possible)} mutants, --seed {asked.seed}, results in {asked.results}", flush=True)
        killers = run(chosen, places, asked.results)
    survivors = [mutant for mutant in chosen if not killers[mutant]]
    for package in asked.packages:
        count = sum(mutant.package == package for mutant in chosen)
        alive = sum(mutant.package == package for mutant in survivors)
        print(f"{package:<10}{count - alive:>4} of {count:>4} killed")
    print(f"{'all':<10}{len(chosen) - len(survivors):>4} of {len(chosen):>4} killed")
    for mutant in sorted(survivors, key=lambda mutant: (mutant.file, mutant.line)):
        print(mutant.describe())


if __name__ == "__main__":
    main()
