"""`python -m macrid.train`: from a ratings file to a trained, evaluated, saved model."""

import sys
from pathlib import Path

from macrid import backend as backends
from macrid import files, recommender, run_folder, suited, terminal
from macrid.baselines import EASE, Popularity, Ridge
from macrid.config import Config
from macrid.data import checks
from macrid.errors import UserError
from macrid.evaluation.metrics import by_scores, cutoffs_of, measured, paired
from macrid.interpret import truth
from macrid.model import scoring
from macrid.run_folder import Run
from macrid.training import checkpoint, fit, log, parallel, warm_start


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
    terminal.add_quiet_flag(arguments)
    terminal.add_config_flags(arguments)
    flags = arguments.parse_args(argv)
    backends.keep_freed_memory()
    given = terminal.options(flags)
    given = given if flags.resume else run_folder.inherited(given)
    name = Path(str(given.get("data", "shop"))).stem or "run"
    if flags.resume and flags.overwrite:
        raise UserError("--resume and --overwrite exclude each other; give one of them")
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
    decided = None if flags.resume else run_folder.decided(given)
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
    None, as when a run is resumed, none is. Of a `team`, process 0 writes the folder; the others
    return None.
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

    # begin, or go on from the checkpoint
    path = folder / "checkpoint.npz"
    if resume and path.exists():
        seen = run_folder.hashes(interactions, split, targets, settings)
        state = checkpoint.load(path, settings, split, seen)
    else:
        with (
            terminal.bar(quiet, desc="features of pictures", unit="", delay=1) as bar,
            terminal.log_lines(quiet),
        ):
            features, lines = run_folder.item_features(
                interactions, split.items, settings, log.counted("pictures looked at", bar.update)
            )
        say(*lines)
        state = fit.start(split, settings, features, targets)
        state.path = run_folder.path_of_final(settings)
        if settings.warm_start:
            earlier = recommender.Recommender.load(settings.warm_start, "numpy")
            items, parameters = interactions.items[split.items], earlier.parameters
            kept = warm_start.warm(state, items, parameters, earlier.items, settings)
            say(f"warm      from {settings.warm_start}: {kept}", *_about_leaks(settings, split))
        state.seen = run_folder.hashes(interactions, split, targets, settings, features)
    if not resume:
        run_folder.create(folder, settings)
    elif team.rank == 0:
        run_folder.save_config(folder, settings)  # some options may have changed
    if team.rank == 0:
        team.wait()  # the others come now
    team.agree(state.parameters)
    if team.size > 1:
        users = f"{team.size} x {settings.batch_size}"
        say(f"team      {team.size} processes, a batch of {users} users")
    if state.epoch:
        say(f"resume    after epoch {state.epoch}")

    # train, and save after each epoch
    steps = -(-split.train.shape[0] // (settings.batch_size * team.size))
    with Progress(settings, steps, state, quiet) as progress, terminal.log_lines(quiet):

        def after_epoch(state):
            if team.rank == 0:
                checkpoint.save(path, state, settings, split)
                files.save_lines(folder / "history.jsonl", state.history)
                progress.epoch(state)
                log.epoch(state, settings)

        was_finished, before = (folder / "metrics.json").is_file(), state.epoch
        state = fit.fit(split, settings, targets, state, progress.step, after_epoch, team)
    if team.rank:
        return None
    if was_finished and before == state.epoch:
        say("          it was finished already; a larger --max-epochs or --patience goes on")
    if settings.linear_path:
        checkpoint.save(path, state, settings, split)
    files.save_lines(folder / "history.jsonl", state.history)

    # evaluate, and save the whole
    run = Run(settings, interactions, split, state)
    results, lines = _evaluated(run, xp)
    model = recommender.from_run(run)
    model.metrics = results.get("test")
    model.save(folder / recommender.FILE)
    files.save_json(folder / "metrics.json", results)
    say(*lines, f"saved     {folder}")
    return results


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
    lines = [f"best      epoch {state.best_epoch} of {state.epoch}"]
    if settings.adaptive_K:
        left, at_end = len(state.best["m"]), len(state.parameters["m"])
        lines.append(f"concepts  {left} of {settings.K} were left then, {at_end} at the end")
    if settings.linear_path:
        chosen = "lambda {lambda:g}, weight {weight:g}, gamma {gamma:.1f}".format(**state.path)
        lines.append(f"path      {chosen}")
    lines += ["", *terminal.metric_table(results), ""]
    systems, results["baselines"] = {"macrid": test}, {}
    if "L" in state.best:
        concepts_alone = {name: p for name, p in state.best.items() if name != "L"}
        rank = scoring.ranker(concepts_alone, settings)
        systems["model"], results["model"] = measured(rank, split.test, cutoffs)
    for name, baseline in _baselines(run, xp):
        rank = by_scores(baseline.scores)
        systems[name], results["baselines"][name] = measured(rank, split.test, cutoffs)
    results["differences"] = {
        name: paired(test, of_users) for name, of_users in systems.items() if name != "macrid"
    }
    lines += [*terminal.system_table(systems, "macrid"), ""]
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
    yield "ridge", run.state.ridge or Ridge.fit(train, validation, xp=xp)
    if min(train.shape) <= EASE.most:
        yield "EASE", EASE.fit(train, validation, regularisation=None, xp=xp)
    yield "popularity", Popularity.fit(train, xp=xp)


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

    def __init__(self, settings, steps, state, quiet):
        self.steps = steps
        self.validation = f"{state.best_score:.4f}" if state.epoch else "-"
        self.bar = terminal.bar(
            quiet,
            total=settings.max_epochs * steps,
            initial=state.epoch * steps,
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


if __name__ == "__main__":
    sys.exit(terminal.run(main))
