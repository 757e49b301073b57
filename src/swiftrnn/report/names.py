"""What layers are called in tables and plots."""

LAYERS = {
    "sru": "SRU", "qrnn": "QRNN", "mingru": "minGRU", "minlstm": "minLSTM", "rglru": "RG-LRU",
    "hgrn": "HGRN", "lstm": "LSTM", "gru": "GRU",
}  # fmt: skip
