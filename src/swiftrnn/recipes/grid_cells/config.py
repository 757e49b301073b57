"""The options of grid_cells, and its presets."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from swiftrnn.runs import limits

Variant = Literal["no_noise", "no_cost", "no_rests", "plain", "relu", "tanh", "gaussian"]


@dataclass(frozen=True)
class Config(limits.Checked):
    """Path integration in a square arena, as Cueva and Wei trained it; sizes are ours."""

    # what the network predicts: coordinates (Cueva and Wei), place cells (Sorscher et al.), or
    # place and head direction cells (Banino et al.)
    target: Literal["coordinates", "places", "places_and_directions"] = "coordinates"
    arena: Literal["square", "circle", "triangle", "hexagon"] = "square"  # shape of the arena
    units: limits.Size = 100  # units that are measured
    nonlinearity: Literal["tanh", "relu"] = "tanh"  # of the units; places_and_directions has LSTM's
    leak: Annotated[float, limits.Range(0, 1, open_low=True)] = 0.1  # time step over time constant
    noise: limits.Least0 = 0.1  # standard deviation of the noise of each unit, in training
    cost: limits.Least0 = 0.1  # weight of the mean squared activity (metabolic cost)
    decay: limits.Least0 = 0.1  # weight of the mean squared weights
    rests: limits.Share = 0.9  # share of steps at rest, for coordinates
    place_cells: limits.Size = 256  # place cells
    place_width: limits.Positive = 0.12  # width of a place field, in metres
    surround: bool = True  # place cells with an inhibitory surround (difference of softmaxes)
    length: Annotated[int, limits.Range(2, 100_000)] = 500  # steps of a walk, in training
    far: Annotated[int, limits.Range(2, 1_000_000)] = 20_000  # steps of the longest walks, on test
    batch_size: limits.Size = 64  # walks in a batch
    seconds: limits.Seconds = 900.0  # training time in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    learning_rate: limits.Positive = 1e-3  # learning rate of Adam, at first
    knee: limits.Count = 2000  # updates after which it decays with the inverse square root
    clip: limits.Positive = 1.0  # largest gradient norm
    walks: Annotated[int, limits.Range(4, 100_000)] = 400  # test walks
    bins: Annotated[int, limits.Range(8, 100)] = 20  # bins of a side of a rate map
    shuffles: Annotated[int, limits.Range(1, 10_000)] = 99  # shuffles of the null distributions
    # variants to train the same way: without noise, without metabolic cost, without rests, without
    # all three, another nonlinearity, place cells without surround
    variants: tuple[Variant, ...] = ()
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        odd = [each for each in self.variants if self.variant(each) == self.variant("")]
        if odd or len({*self.variants}) < len(self.variants):
            raise limits.Unfit(
                "--variants needs what differs from the model itself, each once; got "
                f"{' '.join(self.variants)}"
            )

    def variant(self, name: str) -> "Config":
        """The settings of a variant; those of the model itself for ""."""
        changes = {
            "": {}, "no_noise": {"noise": 0.0}, "no_cost": {"cost": 0.0},
            "no_rests": {"rests": 0.0}, "plain": {"noise": 0.0, "cost": 0.0, "rests": 0.0},
            "relu": {"nonlinearity": "relu"}, "tanh": {"nonlinearity": "tanh"},
            "gaussian": {"surround": False},
        }  # fmt: skip
        return replace(self, variants=(), **changes[name])


SMOKE = Config(
    units=24, rests=0.5, noise=0.02, cost=0.01, decay=0.01, length=40, far=200, batch_size=32,
    seconds=None, steps=150, learning_rate=5e-3, walks=60, bins=10, shuffles=19,
)  # fmt: skip
STUDY = Config(variants=("no_noise", "no_cost", "no_rests", "plain"))
TRIANGLE = Config(arena="triangle")
HEXAGON = Config(arena="hexagon")
CIRCLE = Config(arena="circle")
PLACES = Config(
    target="places", units=512, nonlinearity="relu", leak=1.0, noise=0.0, cost=0.0, decay=1e-4,
    place_cells=512, length=20, far=1000, batch_size=200, variants=("gaussian", "tanh"),
)  # fmt: skip
DEEP = replace(
    PLACES, target="places_and_directions", units=256, decay=1e-5, place_cells=256, surround=False,
    place_width=0.1, length=100, batch_size=32, variants=(),
)  # fmt: skip
