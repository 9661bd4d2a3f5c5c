r"""Several models as one: ln P averaged over models that were trained with different seeds.

    ln p_ui = 1/S sum_s ln P^s_ui + a constant of the user

the normalised geometric mean of their P, equation (7). The first model is the parameters themselves
and the one that concepts are explained by: concept k of another model is another concept. Each
array of the others is one more of the parameters, "seed-1/H" the H of the model of seed 1, so that
they are saved and carried about with the first.
"""


def joined(models: dict[int, dict]) -> dict:
    """The parameters of {seed: parameters} as one dict; those of the first keep their names.

    >>> list(joined({0: {"H": H}, 1: {"H": H1}}))
    ['H', 'seed-1/H']
    """
    first, *others = models
    parameters = dict(models[first])
    for seed in others:
        parameters |= {of_seed(seed, name): p for name, p in models[seed].items()}
    return parameters


def split(parameters: dict) -> list[dict]:
    """The parameters of each model, the first's first; those of one model are returned as one.

    >>> [list(model) for model in split({"H": H, "seed-1/H": H1})]
    [['H'], ['H']]
    """
    models: dict[str, dict] = {"": {}}
    for name, p in parameters.items():
        seed, _, own = name.rpartition("/")
        models.setdefault(seed, {})[own] = p
    return list(models.values())


def of_seed(seed: int, name: str) -> str:
    """The name of an array of the model of a seed, beside those of the first."""
    return f"seed-{seed}/{name}"
