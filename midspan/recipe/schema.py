"""The typed recipe: every setting of a build, its default and its allowed values, in one place.

A recipe is a TOML file; `midspan.recipe.load` reads it. Models are frozen: a recipe is data and never changes.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from midspan.recipe.filters import FilterConfig
from midspan.recipe.section import NotNegative, Positive, PositiveFloat, Section, Share
from midspan.recipe.sources import EnvironmentSource, Source


class DuplicateConfig(Section):
    """MinHash-LSH near duplicates. The defaults are The Stack v2's (arXiv 2402.19173, section 3.2)."""

    ngram_size: Positive = 5
    bands: Positive = 25
    rows: Positive = 10
    threshold: Share = 0.7
    """Jaccard similarity of word runs from which on two files are near duplicates."""
    fork_share: Share = 0.5
    """Projects are related if this share of the smaller one's files stands, exactly or nearly, in the other."""
    forks: Literal["together", "drop"] = "together"
    """Related projects are in the same split, or all but the largest are dropped."""


class MixConfig(Section):
    """What pre-training and the tokenizer see more or less often than it stands in the corpus (`midspan.data.mix`)."""

    epochs: dict[str, NotNegative] = Field(default={})
    """Epochs of a source, by its kind (`environment`) or its full name as in the report (`folder:~/code`)."""
    languages: dict[str, NotNegative] = Field(default={})
    """Weights of languages, 1 where none is given."""
    temperature: Annotated[float, Field(ge=1.0)] = 1.0
    """1 keeps the languages' natural shares, larger values bring small ones up."""
    natural_share: Share | None = None
    """Share of natural language in the bytes shown; not set, it is what the corpus has."""
    max_repeats: Annotated[float, Field(ge=1.0)] = 4.0
    """No language is shown more than this many times as often as its source."""


class GuardConfig(Section):
    """What must stay out of training because models are measured on it."""

    benchmarks: tuple[str, ...] = ()
    """Paths of JSONL files or of folders with such, or names of folders in $MIDSPAN_BENCHMARKS."""


class DataConfig(Section):
    """Sources, licence policy, filters, duplicates, the split by project and the mix."""

    sources: tuple[Source, ...] = (EnvironmentSource(kind="environment"),)
    languages: tuple[str, ...] = ()
    """Names of the languages to keep; empty keeps every known one."""
    licence_tier: Literal["model", "gold", "silver", "bronze", "lead"] = "lead"
    """Lowest tier of the Blue Oak Council list that counts as permissive."""
    min_licence_confidence: Share = 0.75
    """How sure a licence must be: for a text, the share of its words that belong to the licences in it."""
    max_project_bytes: Positive = 50_000_000
    """Text kept per project: beyond it files are dropped in the order of their hash, so that no project dominates."""
    valid_share: Share = 0.05
    test_share: Share = 0.05
    """Shares of *projects* (never of files) held out for validation and for evaluation."""
    opt_out: str | None = None
    """A file that lists owners, projects, addresses, paths and contents to leave out, one a line; see
    `midspan.data.opt_out`."""
    guard: GuardConfig = GuardConfig()
    filters: FilterConfig = FilterConfig()
    duplicates: DuplicateConfig = DuplicateConfig()
    mix: MixConfig = MixConfig()


class TokenizerConfig(Section):
    """Byte-level BPE."""

    vocab_size: Annotated[int, Field(ge=300, le=1_000_000)] = 49_152
    sample_bytes: Positive = 200_000_000
    """Text the tokenizer is trained on, drawn from the training split in the order of content hashes."""


class ModelConfig(Section):
    """Shape of a Llama (names in brackets are Hugging Face's)."""

    hidden_size: Positive = 3_072
    layers: Positive = 30
    heads: Positive = 24
    kv_heads: Positive = 24
    mlp_size: Positive = 8_256
    context_length: Positive = 8_192
    tie_embeddings: bool = False
    rope_theta: PositiveFloat = 10_000.0
    norm_epsilon: PositiveFloat = 1e-5

    @model_validator(mode="after")
    def _divisible(self) -> "ModelConfig":
        if self.hidden_size % self.heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of heads {self.heads}")
        if self.heads % self.kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if (self.hidden_size // self.heads) % 2:
            raise ValueError(
                f"hidden_size / heads must be even for rotary embeddings, not {self.hidden_size // self.heads}"
            )
        return self


class CutWeights(Section):
    """Weights of the four kinds of cut points (blueprint, stage 2); they need not sum to one."""

    block_boundary: Annotated[float, Field(ge=0)] = 0.4
    line_start: Annotated[float, Field(ge=0)] = 0.2
    line_middle: Annotated[float, Field(ge=0)] = 0.2
    token_middle: Annotated[float, Field(ge=0)] = 0.2


class FimConfig(Section):
    """How a document is cut into prefix, middle and suffix."""

    rate: Share = 0.5
    """Share of pre-training documents that get the random FIM transformation."""
    psm_share: Share = 0.0
    """Share of FIM documents printed prefix-suffix-middle instead of suffix-prefix-middle."""
    max_middle_chars: Positive = 700
    start: CutWeights = CutWeights()
    end: CutWeights = CutWeights()


Strategy = Literal["none", "iou", "path_distance", "rag", "coverage"]


class PromptConfig(Section):
    """The one prompt: family, token budget and where the budget goes."""

    family: Literal["mellum"] = "mellum"
    max_tokens: Positive = 6_144
    """Tokens of the whole prompt; what remains of the context is for the completion."""
    context_share: Share = 0.5
    suffix_share: Share = 0.15
    """Upper shares of the budget for context files and suffix; the prefix takes the rest and what they leave."""
    strategy: Strategy = "coverage"
    """Strategy used at inference (training mixes several, see `[sft] strategies`)."""
    heal: bool = True
    """Cut the prompt back to a safe token border and make the generation reproduce the cut text."""


class CompleteConfig(Section):
    """What the completion logic does where a request does not say otherwise; it travels inside the exported model."""

    max_new_tokens: Positive = 64
    """Longest suggestion, in tokens."""
    min_confidence: Share = 0.0
    """Suggestions that are right with a lower probability than this are not shown; it needs `midspan calibrate`."""
    skip: tuple[str, ...] = ()
    """Names of steps that are not taken; `midspan complete --explain` shows them all."""


class OptimizerConfig(Section):
    """AdamW for embeddings and norms; `muon` takes the matrices of the blocks over."""

    name: Literal["adamw", "muon"] = "adamw"
    learning_rate: PositiveFloat = 3e-4
    muon_learning_rate: PositiveFloat = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    beta1: Share = 0.9
    beta2: Share = 0.95
    clip: PositiveFloat = 1.0


class TrainConfig(Section):
    """What the one training loop needs, whatever the stage."""

    tokens: Positive
    """Tokens (padding excluded) the stage trains on."""
    batch_tokens: Positive
    """Tokens of one optimizer step over all devices."""
    sequence_length: Positive
    micro_batch: Positive = 8
    """Sequences in one forward pass on one device."""
    schedule: Literal["wsd", "cosine", "constant"] = "wsd"
    warmup_share: Share = 0.02
    decay_share: Share = 0.2
    """Share of the steps with falling learning rate (`wsd` only)."""
    optimizer: OptimizerConfig = OptimizerConfig()
    precision: Literal["fp32", "bf16"] = "bf16"
    compile: bool = False
    checkpoint_steps: Positive = 1_000
    """A resumable checkpoint is written every so many steps."""
    valid_steps: Positive = 1_000
    """Validation bits per byte are computed every so many steps, and at the end."""
    valid_bytes: Positive = 2_000_000
    """Validation text used, taken evenly over the held-out projects."""


class PretrainConfig(TrainConfig):
    """Stage `pretrain`: next-token prediction, half of the documents with random FIM."""

    document_mask: bool = True
    """No attention across the documents packed into one sequence."""


class SftConfig(TrainConfig):
    """Stage `sft`: syntax-cut middles with project context; loss on the middle and its end token only."""

    strategies: dict[Strategy, Annotated[float, Field(ge=0)]] = Field(
        default={"none": 0.2, "iou": 0.2, "path_distance": 0.2, "rag": 0.2, "coverage": 0.2}
    )
    """Weights with which the context strategies are mixed."""
    examples_per_file: Positive = 1


class LlmJudgeConfig(Section):
    """The judge `llm` of stage `prefer`: which chat model compares completions, and what it may cost."""

    model: str = ""
    """The model's name at the endpoint; must be set where this judge is used."""
    endpoint: str = "http://127.0.0.1:8000/v1"
    """Base address of an OpenAI-compatible server."""
    api_key_env: str = "MIDSPAN_JUDGE_KEY"
    """Name of the environment variable with the API key; servers without keys need none."""
    comparisons_per_case: Positive = 6
    samples: Positive = 1
    """Answers per order of a comparison; the majority counts."""
    max_calls: Positive = 20_000
    max_tokens: Positive = 50_000_000
    """Budget: calls, and tokens in and out together; what it does not cover gets no verdict."""
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    """Prices of a million tokens, in whatever currency."""
    concurrency: Positive = 4
    timeout_s: PositiveFloat = 120.0
    """Seconds one answer may take."""


class PreferConfig(Section):
    """Stage `prefer`: completions sampled from `sft`, judged, made into pairs."""

    cases: Positive = 10_000
    temperatures: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] = (0.2, 0.6, 1.0)
    samples_per_temperature: Positive = 2
    judge: Literal["reference", "llm", "human", "feedback"] = "reference"
    """`reference` compares with the true middle; `llm` asks a chat model, see `[prefer.llm]`; `human` takes the labels
    of `midspan review`, `feedback` what users accepted and rejected, both from the file `labels`."""
    labels: str | None = None
    """What `midspan review` wrote (`human`), or a file of events (`feedback`, which also brings its own cases)."""
    llm: LlmJudgeConfig = LlmJudgeConfig()
    min_margin: Share = 0.15
    """Least difference of the judge's scores (0 to 1) within a pair."""
    include_truth: bool = False
    """Whether the true middle may be the chosen side; else only what the model wrote, shortened or not."""
    max_pairs_per_case: Positive = 2
    max_new_tokens: Positive = 256

    @model_validator(mode="after")
    def _judge_is_complete(self) -> "PreferConfig":
        if self.judge == "llm" and not self.llm.model:
            raise ValueError('prefer.judge "llm" needs prefer.llm.model, the name of the chat model')
        if self.judge in ("human", "feedback") and not self.labels:
            raise ValueError(f'prefer.judge "{self.judge}" needs prefer.labels, the file to read')
        return self


DpoLoss = Literal["sigmoid", "sigmoid_norm", "ipo", "robust"]


class DpoConfig(TrainConfig):
    """Stage `dpo` (arXiv 2305.18290); `tokens` counts both sides of the pairs."""

    loss: DpoLoss = "sigmoid_norm"
    """`sigmoid_norm` and `ipo` divide each side's log-probability by its number of tokens; formulas in
    `train.losses`."""
    beta: PositiveFloat = 2.0
    """Strength of the pull to the reference. Losses over sums of log-probabilities (`sigmoid`, `robust`) want a
    twentieth of this."""
    label_flips: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    """Assumed share of pairs whose sides are the wrong way round (`robust` only)."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the negative log-likelihood of the chosen side, added to the loss."""
    checkpoint_steps: Positive = 50
    valid_steps: Positive = 50
    """Validation, which comes with every checkpoint here, also measures the held-out pairs and the limits below."""
    valid_pairs: Positive = 64
    """Pairs held out of training, by case; never more than a tenth of all."""
    max_kl: PositiveFloat = 1.0
    """Training stops beyond this distance from the reference, in nats per token, and keeps the last weights that
    were within the limits."""
    max_valid_increase: PositiveFloat = 0.1
    """The same for validation bits per byte above those of the reference."""


class ExportConfig(Section):
    """Stage `export`: a Hugging Face directory and GGUF files of the final model."""

    gguf: tuple[Literal["f32", "f16", "q8_0"], ...] = ("f16", "q8_0")


class EvalConfig(Section):
    """Stage `eval`: cases drawn from the held-out projects."""

    cases: Positive = 1_000
    max_new_tokens: Positive = 256
    stages: Annotated[tuple[Literal["base", "sft", "dpo"], ...], Field(min_length=1)] = ("base", "sft", "dpo")
    gguf: Literal["f32", "f16", "q8_0"] = "f16"
    """Precision of the weights that are evaluated."""


class ParallelConfig(Section):
    """The device mesh: `replicas` of groups of `shards` devices; `replicas * shards` is the world size."""

    replicas: Positive = 1
    shards: Positive = 1


class Recipe(Section):
    """Everything one build depends on."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    """Name of the run: its directory is `runs/<name>`."""
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataConfig = DataConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    fim: FimConfig = FimConfig()
    prompt: PromptConfig = PromptConfig()
    complete: CompleteConfig = CompleteConfig()
    pretrain: PretrainConfig
    sft: SftConfig
    prefer: PreferConfig = PreferConfig()
    dpo: DpoConfig
    export: ExportConfig = ExportConfig()
    eval: EvalConfig = EvalConfig()
    parallel: ParallelConfig = ParallelConfig()

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if self.prompt.max_tokens >= self.model.context_length:
            raise ValueError(
                f"prompt.max_tokens {self.prompt.max_tokens} must be below"
                f" model.context_length {self.model.context_length}"
            )
        for stage in ("pretrain", "sft", "dpo"):
            length = getattr(self, stage).sequence_length
            if length > self.model.context_length:
                raise ValueError(
                    f"{stage}.sequence_length {length} is above model.context_length {self.model.context_length}"
                )
        return self
