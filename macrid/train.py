"""`python -m macrid.train`: from a ratings file to a trained, evaluated, saved model."""

import sys
from pathlib import Path

from macrid import backend as backends
from macrid import files, recommender, run_folder, terminal
from macrid.baselines import EASE, Popularity
from macrid.data import checks
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, evaluate_ranking, summary
from macrid.interpret import truth
from macrid.model.scoring import ranker
from macrid.training import checkpoint, fit, parallel


def main(argv=None):
    """Parse flags, train, evaluate, and write the run folder."""
    arguments = terminal.parser(
        "train",
        "Train SEM-MacridVAE. Without arguments: on the embedded shop.",
        "python -m macrid.train --data ml-latest-small --min-user-items 15 --K 4 --out runs/ml",
    )
    arguments.add_argument("--out", help="the run folder (default: runs/<name of the data>)")
    arguments.add_argument("--config", help="a TOML file of options; flags go before it")
    arguments.add_argument(
        "--resume", action="store_true", help="continue the run in --out exactly where it stopped"
    )
    arguments.add_argument("--overwrite", action="store_true", help="replace the run in --out")
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    terminal.add_config_flags(arguments)
    flags = arguments.parse_args(argv)
    backends.keep_freed_memory()
    given = terminal.options(flags)
    name = Path(str(given.get("data", "shop"))).stem or "run"
    if flags.resume and flags.overwrite:
        raise UserError("--resume and --overwrite exclude each other; give one of them")

    folder = Path(flags.out or Path("runs") / name)
    team = parallel.team()

    def work():
        if team.rank:
            team.wait()  # until process 0 has found all well and made the folder; this one joins in
            return train(folder, run_folder.choose(folder, given, True, False), True, True, team)
        settings = run_folder.choose(folder, given, flags.resume, flags.overwrite)
        try:
            with run_folder.held(folder):
                return train(folder, settings, flags.resume, flags.quiet, team)
        except (KeyboardInterrupt, OSError) as error:
            if (
                isinstance(error, BrokenPipeError) or not (folder / "config.json").is_file()
            ):  # there is nothing to continue
                raise
            then = f"continue with: python -m macrid.train --resume --out {folder}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"interrupted; {then}") from None
            raise UserError(
                f"{error.filename or folder}: {error.strerror or error}; check its permissions and"
                f" the free space, then {then}"
            ) from None

    parallel.run(team, work)


def train(folder, settings, resume=False, quiet=False, team=parallel.ALONE):
    """Train into a run folder, from its checkpoint if `resume`; return the final figures (process 0
    of a `team`).
    """
    say = terminal.say(quiet)
    xp = backends.load(settings.backend, settings.precision)
    interactions = run_folder.load_data(settings)
    split, targets = run_folder.prepare(interactions, settings)
    say(
        f"data      {settings.data}",
        *(f"          {line}" for line in checks.describe(interactions)),
    )
    say(
        f"split     {settings.split}: {split.train.shape[0]:,} training,"
        f" {len(split.validation.users):,} validation, {len(split.test.users):,} test users;"
        f" {len(split.items):,} items seen in training"
    )
    unseen = sum(split.unseen.values())
    if unseen:
        say(
            f"          dropped: {unseen:,} adoptions by held-out users of items unseen in training"
        )

    if settings.backend != "numpy":
        say(f"backend   {backends.device_name(xp)}")
    path = folder / "checkpoint.npz"
    if resume and path.exists():
        seen = run_folder.hashes(interactions, split, targets, settings)
        state = checkpoint.load(path, settings, split, seen)
    else:
        with terminal.bar(quiet, desc="features of pictures", unit="", delay=1) as bar:
            features, lines = run_folder.item_features(
                interactions, split.items, settings, bar.update
            )
        say(*lines)
        state = fit.start(split, settings, features, targets)
        state.seen = run_folder.hashes(interactions, split, targets, settings, features)
    if not resume:
        run_folder.create(folder, settings)
    elif team.rank == 0:
        run_folder.save_config(
            folder, settings
        )  # the options that may change have perhaps been changed
    if team.rank == 0:
        team.wait()  # the others come now
    team.agree(state.parameters)
    if team.size > 1:
        say(
            f"team      {team.size} processes, a batch of {team.size} x {settings.batch_size} users"
        )
    if state.epoch:
        say(f"resume    after epoch {state.epoch}")
    steps = -(-split.train.shape[0] // (settings.batch_size * team.size))
    with Progress(settings, steps, state, quiet) as progress:

        def keep(state):
            if team.rank:
                return
            checkpoint.save(path, state, settings, split)
            files.save_lines(folder / "history.jsonl", state.history)
            progress.epoch(state)

        state = fit.fit(split, settings, targets, state, progress.step, keep, team)
    if team.rank:
        return None
    if settings.linear_path:
        checkpoint.save(path, state, settings, split)
    files.save_lines(folder / "history.jsonl", state.history)
    scored = {
        part: evaluate_ranking(ranker(state.best, settings), getattr(split, part))
        for part in ("validation", "test")
    }
    results = {part: summary(figures) for part, figures in scored.items()}
    say(f"best      epoch {state.best_epoch} of {state.epoch}")
    if settings.adaptive_K:
        say(
            f"concepts  {len(state.best['m'])} of {settings.K} were left then,"
            f" {len(state.parameters['m'])} at the end"
        )
    if settings.linear_path:
        say(
            "path      lambda {lambda:g}, weight {weight:g}, gamma {gamma:.1f}".format(**state.path)
        )
    say("", *terminal.figure_table(results), "")
    if len(split.items) <= EASE.most_items:
        systems = {"macrid": scored["test"]}
        for name, baseline in (("EASE", EASE), ("popularity", Popularity)):
            systems[name] = evaluate(baseline.fit(split.train, xp=xp).scores, split.test)
        results["baselines"] = {
            name: summary(figures) for name, figures in systems.items() if name != "macrid"
        }
        say(*terminal.system_table(systems, "macrid"), "")
    results["K"] = len(state.best["m"])
    results["independence"] = truth.independence_scores(split, state.best, settings)
    if interactions.truth is not None:
        results |= truth.shop_scores(interactions, split, state.best, settings)
        say(*truth_table(results), "")
    model = recommender.from_run(run_folder.Run(settings, interactions, split, state))
    model.metrics = results["test"]
    model.save(folder / recommender.FILE)
    files.save_json(folder / "metrics.json", results)
    say(f"saved     {folder}")
    return results


def truth_table(results):
    """What the shop's truth says of the concepts and dimensions, as lines."""
    macro, named, micro, independence = (
        results[name] for name in ("macro", "intentions", "micro", "independence")
    )
    lines = [
        "macro     concepts against categories: accuracy {accuracy:.3f}, ARI {ari:.3f}, NMI"
        " {nmi:.3f}, largest concept {largest:.3f}".format(**macro),
        (
            f"          strongest components that are true intentions: {named['mean']:.3f} ±"
            f" {named['stderr']:.3f} of {named['users']} users"
        ),
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
    """A bar over epochs with the loss terms, beta and the validation figure; silent where no
    terminal reads it.
    """

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

    def step(self, epoch, terms, beta):
        """Show a step's loss terms when the bar is drawn, not oftener: to read them is to wait for
        the device.
        """
        if not self.bar.update():
            return
        self.bar.set_description_str(f"{epoch}/{self.total}", refresh=False)
        self.bar.set_postfix_str(
            f"-ln p {-terms['reconstruction']:.1f}  KL {terms['kl']:.1f}  cat"
            f" {terms['categorical']:.3f}  beta {beta:.3f}  best NDCG@100 {self.validation}"
        )

    def epoch(self, state):
        """Show the best validation figure so far."""
        self.validation = f"{state.best_score:.4f} (epoch {state.best_epoch})"


if __name__ == "__main__":
    sys.exit(terminal.run(main))
