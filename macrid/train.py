"""`python -m macrid.train`: from a ratings file to a trained, evaluated, saved model."""

import sys
import time
from pathlib import Path

from macrid import backend as backends
from macrid import files, recommender, run_folder, suited, terminal
from macrid.baselines import EASE, Popularity
from macrid.config import Config, option_names
from macrid.data import checks
from macrid.errors import UserError
from macrid.evaluation.metrics import by_scores, cutoffs_of, measured, paired
from macrid.interpret import truth
from macrid.model import ensemble, linear, scoring
from macrid.run_folder import Run
from macrid.training import (
    checkpoint,
    fit,
    linear_path,
    log,
    parallel,
    seeds,
    warm_start,
    workers,
)
from macrid.training.ridge import Ridge

FIGURES = (
    "how high the items hidden from test users are ranked, 1 is best; mean ± standard",
    "error over users, differences user by user (docs/evaluation.md)",
)


def main(argv: list[str] | None = None) -> None:
    """Parse flags, train, evaluate, and write the run folder."""
    arguments = terminal.parser(
        "train",
        "Train SEM-MacridVAE. Without arguments: on the embedded shop.",
        "python -m macrid.train --data ml-latest-small --min-user-items 15 --K 4 --out runs/ml",
    )
    arguments.add_argument("--out", help="the run folder (default: runs/<name of the data>)")
    arguments.add_argument("--config", help="options: TOML, or a run's config.json; flags go first")
    arguments.add_argument(
        "--resume", action="store_true", help="continue the run in --out exactly where it stopped"
    )
    arguments.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    text = "the paper and nothing else: no option by the data, no ensemble with ridge regression"
    arguments.add_argument("--faithful", action="store_true", help=text)
    terminal.add_quiet_flag(arguments)
    terminal.add_config_flags(arguments, by_data=suited.NAMES)
    flags = arguments.parse_args(argv)
    backends.keep_freed_memory()
    given = terminal.options(flags)
    given = given if flags.resume else run_folder.inherited(given)
    name = Path(str(given.get("data", "shop"))).stem or "run"
    if flags.resume and flags.overwrite:
        raise UserError("--resume and --overwrite exclude each other; give one of them")
    earlier = "resume" if flags.resume else next(filter(given.get, option_names("runs")), None)
    if flags.faithful and earlier:
        flag = "--" + earlier.replace("_", "-")
        raise UserError(
            f"--faithful is for a new run, but {flag} takes options of one; leave it out"
        )
    if flags.faithful:
        suited.refuse_path(given.get("linear_path"))
    folder = Path(flags.out or Path("runs") / name)
    team = parallel.team()
    parallel.run(team, lambda: _train_in(folder, given, flags, team))


def _train_in(folder, given, flags, team):
    """Train with the options `given`, as one process of a team.

    What interrupts it says how to go on.
    """
    if team.rank:
        team.wait()  # until process 0 has checked everything and made the folder; this one joins in
        return train(folder, run_folder.choose(folder, given, True, False), True, True, team)
    settings = run_folder.choose(folder, given, flags.resume, flags.overwrite)
    decided = None if flags.resume or flags.faithful else run_folder.decided(given)
    try:
        with run_folder.held(folder):
            return train(folder, settings, flags.resume, flags.quiet, team, decided)
    except (KeyboardInterrupt, OSError) as error:
        can_continue = (folder / "config.json").is_file()
        if isinstance(error, BrokenPipeError) or not can_continue:
            raise
        again = terminal.command("python -m macrid.train --resume --out", folder)
        then = f"continue with: {again}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(f"interrupted; {then}") from None
        raise UserError(
            f"{error.filename or folder}: {error.strerror or error}; check its permissions and"
            f" the free space, then {then}"
        ) from None


def train(
    folder: Path,
    settings: Config,
    resume: bool = False,
    quiet: bool = False,
    team: parallel.Team = parallel.ALONE,
    decided: set | None = None,
) -> dict | None:
    """Train into a run folder, from its checkpoint if `resume`; return what metrics.json holds.

    Options that are not among the `decided` names are chosen by the data, see `macrid.suited`; with
    None, as when a run is resumed or faithful, none is. Of a `team`, process 0 writes the folder;
    the others return None.
    """
    say = terminal.say(quiet)
    xp = backends.load(settings.backend, settings.precision)

    # read the data
    interactions = run_folder.load_data(settings)
    split, targets = run_folder.prepare(interactions, settings)
    say(*_about_data(settings, interactions, split))
    if decided is not None:
        settings, lines = suited.fill(settings, decided, split.train)
        say(*lines)
    if settings.backend != "numpy":
        say(f"backend   {backends.device_name(xp)}")
    with workers.blas_threads(split, settings):
        return _train_on(interactions, split, targets, folder, settings, resume, quiet, team)


def _train_on(interactions, split, targets, folder, settings, resume, quiet, team):
    """Train on what was read, evaluate, and write the run folder: what `train` returns."""
    say = terminal.say(quiet)
    xp = backends.load(settings.backend, settings.precision)

    # begin, or go on from the checkpoint: a state for each seed
    ones = seeds.each(settings)
    paths = [seeds.folder_of(folder, settings, one) / "checkpoint.npz" for one in ones]
    exists = [resume and path.exists() for path in paths]
    features, earlier = None, None
    if not all(exists):
        with (
            terminal.bar(quiet, desc="features of pictures", unit="", delay=1) as bar,
            terminal.log_lines(quiet),
        ):
            features, lines = run_folder.item_features(
                interactions, split.items, settings, log.counted("pictures looked at", bar.update)
            )
        say(*lines)
        if settings.warm_start:
            earlier = recommender.Recommender.load(settings.warm_start, "numpy")
    seen = run_folder.hashes(interactions, split, targets, settings, features)
    states = []
    for one, path, is_there in zip(ones, paths, exists):
        if is_there:
            states.append(checkpoint.load(path, one, split, seen))
            continue
        state = fit.start(split, one, features, targets)
        state.path, state.seen = run_folder.path_of_final(settings), dict(seen)
        if earlier:
            models, items = ensemble.split(earlier.parameters), interactions.items[split.items]
            of_seed = models[len(states) % len(models)]
            kept = warm_start.warm(state, items, of_seed, earlier.items, one)
        states.append(state)
    if earlier:
        say(f"warm      from {settings.warm_start}: {kept}", *_about_leaks(settings, split))
    if not resume:
        run_folder.create(folder, settings)
    elif team.rank == 0:
        run_folder.save_config(folder, settings)  # some options may have changed
    if team.rank == 0:
        team.wait()  # the others come now
    for state in states:
        team.agree(state.parameters)
    if team.size > 1:
        users = f"{team.size} x {settings.batch_size}"
        say(f"team      {team.size} processes, a batch of {users} users")
    before = [state.epoch for state in states]
    if any(before):
        say(f"resume    after epoch {', '.join(map(str, before))}")

    # train, and save now and then
    saved_at = -float("inf")
    steps = -(-split.train.shape[0] // (settings.batch_size * team.size))
    path, was_finished = paths[0], (folder / "metrics.json").is_file()
    with Progress(settings, steps, states, quiet) as progress, terminal.log_lines(quiet):

        def after_epoch(state):
            nonlocal saved_at
            if team.rank == 0:
                is_due = checkpoint.is_due(state, time.monotonic() - saved_at)
                if is_due or fit.finished(state, settings):
                    checkpoint.save(path, state, settings, split)
                    saved_at = time.monotonic()
                files.save_lines(folder / "history.jsonl", state.history)
                progress.epoch(state)
                log.epoch(state, settings)

        def after_epoch_of_seed(one, state):
            progress.epoch_of_seed(one, state)
            log.epoch(state, one)

        if settings.seeds == 1:
            of_one = (states[0], progress.step, after_epoch, team)
            states = [fit.fit(split, settings, targets, *of_one)]
        else:
            of_all = (states, folder, after_epoch_of_seed, team)
            states = seeds.fit(split, settings, targets, *of_all)
    if team.rank:
        return None
    state = states[0]
    if was_finished and before == [state.epoch for state in states]:
        say("          it was finished already; a larger --max-epochs or --patience goes on")
    if settings.linear_path or settings.seeds > 1:
        checkpoint.save(path, state, settings, split)
    files.save_lines(folder / "history.jsonl", state.history)

    # evaluate, and save the whole
    run = Run(settings, interactions, split, state)
    results, lines = _evaluated(run, xp)
    if settings.seeds > 1:
        results["seeds"], about_seeds = _of_seeds(ones, states)
        say(*about_seeds)
    model = recommender.from_run(run)
    model.metrics = results.get("test")
    model.save(folder / recommender.FILE)
    files.save_json(folder / "metrics.json", results)
    say(*lines, f"saved     {folder}")
    return results


def _of_seeds(ones, states):
    """What each of several models came to by itself, for metrics.json and in lines."""
    facts, lines = {}, []
    for one, state in zip(ones, states):
        facts[str(one.seed)] = {"best_epoch": state.best_epoch, "epochs": state.epoch}
        line = f"seed {one.seed:<4} best epoch {state.best_epoch} of {state.epoch}"
        if any("validation_ndcg@100" in record for record in state.history):
            facts[str(one.seed)]["validation_ndcg@100"] = state.best_score
            line += f", by itself a validation NDCG@100 of {state.best_score:.4f}"
        lines.append(line)
    return facts, lines


def _about_leaks(settings, split):
    """A line on figures that flatter: of users whose hidden items the earlier model may know."""
    if len(split.validation.users) and not settings.split.startswith("temporal"):
        yield (
            "warning: the figures flatter where the earlier model has seen what is now held out;"
            " its data should end before (docs/nightly.md)"
        )


def _about_data(settings, interactions, split):
    """Lines that say what was read, and how it is split."""
    held_out = f"{len(split.validation.users):,} validation, {len(split.test.users):,} test users"
    if settings.split == "all":
        held_out = "no one is held out, so that no figure can be claimed"
    lines = [
        f"data      {settings.data}",
        *(f"          {line}" for line in checks.describe(interactions)),
        f"split     {settings.split}: {split.train.shape[0]:,} training, {held_out};"
        f" {len(split.items):,} items seen in training",
    ]
    if split.note:
        lines.append(f"          {split.note}")
    unseen, new = sum(split.unseen.values()), split.new_users
    if unseen:
        lines.append(
            f"          dropped: {unseen:,} adoptions by held-out users of items unseen in training"
        )
    if sum(new.values()):
        counts = f"{new['validation']:,} for validation, {new['test']:,} for the test"
        lines.append(f"          not scored, as nothing is known of them before: {counts}")
    return lines


def _evaluated(run, xp):
    """What metrics.json holds, and it in lines: metrics, baselines, what the concepts are like."""
    settings, split, state = run.settings, run.split, run.state
    if settings.split == "all":
        final = {"epochs": state.epoch, "users": len(split.train_users), "goes_by": settings.final}
        by = f", as the validation of {settings.final} chose" if settings.final else ""
        return {"final": final}, [f"final     {state.epoch} epochs on all users{by}; no figures"]
    ranker = scoring.ranker(state.best, settings)
    cutoffs = cutoffs_of(settings.split)
    _, validation = measured(ranker, split.validation, cutoffs)
    test, in_test = measured(ranker, split.test, cutoffs)
    results: dict = {"validation": validation, "test": in_test}
    lines = [f"best      epoch {state.best_epoch} of {state.epoch}"] if settings.seeds == 1 else []
    if settings.adaptive_K:
        left, at_end = len(state.best["m"]), len(state.parameters["m"])
        lines.append(f"concepts  {left} of {settings.K} were left then, {at_end} at the end")
    if settings.linear_path:
        chosen = "lambda {lambda:g}, weight {weight:g}, gamma {gamma:.1f}".format(**state.path)
        what = "macrid = model"
        if state.path["weight"]:
            what += f" + {_name(split.train)}"
        lines.append(f"path      {chosen}; {what} (docs/linear.md)")
    lines += ["", *terminal.metric_table(results), ""]
    systems, results["baselines"] = {"macrid": test}, {}
    concepts_alone = linear.without(state.best)
    if len(concepts_alone) < len(state.best):
        rank = scoring.ranker(concepts_alone, settings)
        systems["model"], results["model"] = measured(rank, split.test, cutoffs)
    for name, baseline in _baselines(run, xp):
        rank = by_scores(baseline.scores)
        systems[name], results["baselines"][name] = measured(rank, split.test, cutoffs)
    results["differences"] = {
        name: paired(test, of_users) for name, of_users in systems.items() if name != "macrid"
    }
    lines += [*terminal.system_table(systems, "macrid"), *FIGURES, ""]
    lines += _behind(results, settings)
    results["K"] = len(state.best["m"])
    results["independence"] = truth.independence_scores(split, state.best, settings)
    if run.interactions.truth is not None:
        results |= truth.shop_scores(run.interactions, split, state.best, settings)
        lines += [*_truth_lines(results), ""]
    return results, lines


def _baselines(run, xp):
    """(name, fitted) of what the model stands beside; EASE where its matrix is not too large."""
    train, validation = run.split.train, run.split.validation
    ridge = run.state.ridge or linear_path.regression(train).fit(train, validation, xp=xp)
    yield _name(train), ridge
    if min(train.shape) <= EASE.most:
        own: dict = {"regularisation": ridge.regularisation}
        if isinstance(ridge, Ridge):  # its directions make it quick to find one's own
            own = {"regularisation": None, "directions": ridge.directions()}
        yield "EASE", EASE.fit(train, validation, xp=xp, **own)
    yield "popularity", Popularity.fit(train, xp=xp)


def _name(X):
    """What the regression of adoptions X is called: ridge, or neighbours of a large catalogue."""
    return linear_path.regression(X).__name__.lower()


def _behind(results, settings):
    """A line on what to try, where a baseline is ahead by more than two standard errors."""
    ahead = []
    for name in results["baselines"]:
        first = next(iter(results["differences"][name].values()))  # NDCG
        if first["stderr"] is not None and first["mean"] < -2 * first["stderr"]:
            ahead.append(name)
    if ahead:
        first = "" if settings.linear_path else "; --linear-path chosen is the first thing to try"
        yield f"behind {' and '.join(ahead)}: see docs/guide.md, 'If it is worse than EASE'{first}"
        yield ""


def _truth_lines(results):
    """What the shop's truth says of the concepts and dimensions."""
    names = ("macro", "intentions", "micro", "independence")
    macro, named, micro, independence = (results[name] for name in names)
    lines = [
        "macro     concepts against categories: accuracy {accuracy:.3f}, ARI {ari:.3f}, NMI"
        " {nmi:.3f}, largest concept {largest:.3f}".format(**macro),
        "          strongest components that are true intentions: {mean:.3f} ± {stderr:.3f} of"
        " {users} users".format(**named),
    ]
    if micro["items"]:
        lines.append(
            "micro     items' h against attributes: MIG {mig:.3f}, SAP {sap:.3f}, DCI"
            " {disentanglement:.3f} / {completeness:.3f} / {informativeness:.3f}".format(**micro)
        )
    lines.append(
        "          independence of mu {mu:.3f}, of sampled z {z:.3f} (ceiling {users_ceiling:.3f}),"
        " of h {h:.3f} (ceiling {items_ceiling:.3f})".format(**independence)
    )
    return lines


class Progress:
    """A bar over epochs, with the loss terms, beta and the best validation NDCG@100."""

    def __init__(self, settings, steps, states, quiet):
        self.steps = steps
        self.validation = f"{states[0].best_score:.4f}" if states[0].epoch else "-"
        self.bar = terminal.bar(
            quiet,
            total=settings.max_epochs * steps * len(states),
            initial=sum(state.epoch for state in states) * steps,
            bar_format="epoch {desc} {percentage:3.0f}%{postfix} [{elapsed}]",
            dynamic_ncols=True,
        )
        self.total = settings.max_epochs

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.bar.close()

    def step(self, epoch: int, terms: dict, beta: float) -> None:
        """Show a step's loss terms, when the bar is drawn: to read them is to wait for a device."""
        if not self.bar.update():
            return
        self.bar.set_description_str(f"{epoch}/{self.total}", refresh=False)
        log_p, kl, categorical = (terms[name] for name in ("reconstruction", "kl", "categorical"))
        self.bar.set_postfix_str(
            f"-ln p {-log_p:.1f}  KL {kl:.1f}  cat {categorical:.3f}  beta {beta:.3f}"
            f"  best NDCG@100 {self.validation}"
        )

    def epoch(self, state: fit.State) -> None:
        """Show the best validation NDCG@100 so far."""
        self.validation = f"{state.best_score:.4f} (epoch {state.best_epoch})"

    def epoch_of_seed(self, config: Config, state: fit.State) -> None:
        """Show that an epoch of one of several models is done, and its best so far."""
        self.epoch(state)
        if self.bar.update(self.steps):
            self.bar.set_description_str(f"{state.epoch}/{self.total} of seed {config.seed}")
            self.bar.set_postfix_str(f"  its best NDCG@100 {self.validation}")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
