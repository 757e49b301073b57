"""Layers: drop-in replacements for torch.nn.LSTM and torch.nn.GRU, and their rivals."""

from swiftrnn.nn.adaptive_softmax import AdaptiveSoftmax
from swiftrnn.nn.attention import Attention, MultiHeadAttention
from swiftrnn.nn.causal_conv import CausalConv
from swiftrnn.nn.convert import convert
from swiftrnn.nn.crf import CRF, Allowed
from swiftrnn.nn.ctrnn import CTRNN
from swiftrnn.nn.encoder import Encoder
from swiftrnn.nn.glimpse import Glimpse
from swiftrnn.nn.hgrn import HGRN
from swiftrnn.nn.linear import Linear
from swiftrnn.nn.mask import SequenceMask
from swiftrnn.nn.mingru import MinGRU
from swiftrnn.nn.minlstm import MinLSTM
from swiftrnn.nn.ngram_embedding import NgramEmbedding
from swiftrnn.nn.place import InPlaceOfGRU, InPlaceOfLSTM
from swiftrnn.nn.published import load_qrnn, load_sru, load_sru_plus_plus
from swiftrnn.nn.qrnn import QRNN
from swiftrnn.nn.rglru import RGLRU
from swiftrnn.nn.sru import SRU
from swiftrnn.nn.sru_plus_plus import SRUPlusPlus
from swiftrnn.nn.stack_lstm import StackLSTM
from swiftrnn.nn.token_embedding import TokenEmbedding
from swiftrnn.nn.weight_drop import remove_weight_drop, weight_drop

__all__ = [
    "CRF",
    "CTRNN",
    "HGRN",
    "QRNN",
    "RGLRU",
    "SRU",
    "AdaptiveSoftmax",
    "Allowed",
    "Attention",
    "CausalConv",
    "Encoder",
    "Glimpse",
    "InPlaceOfGRU",
    "InPlaceOfLSTM",
    "Linear",
    "MinGRU",
    "MinLSTM",
    "MultiHeadAttention",
    "NgramEmbedding",
    "SRUPlusPlus",
    "SequenceMask",
    "StackLSTM",
    "TokenEmbedding",
    "convert",
    "load_qrnn",
    "load_sru",
    "load_sru_plus_plus",
    "remove_weight_drop",
    "weight_drop",
]
