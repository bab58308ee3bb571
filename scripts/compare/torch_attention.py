"""Causal attention of PyTorch, queries, keys and values as a model makes them: heads cut out of (batch, length, heads x head_dim).
Milliseconds of the median call. Run by scripts/compare/attention.
python torch_attention.py BASELINES forward|train batch heads length head_dim seconds"""
import statistics, sys
sys.path.insert(0, sys.argv[1])
import torch
import torch.nn.functional as F
from common import timed

mode, (B, H, T, D), seconds = sys.argv[2], map(int, sys.argv[3:7]), float(sys.argv[7])
torch.set_num_threads(2)
torch.manual_seed(0)
q, k, v = (torch.randn(B, T, H * D, requires_grad=mode == "train") for _ in range(3))
dy = torch.randn(B, T, H * D)


def attend():
    heads = (x.view(B, T, H, D).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2).reshape(B, T, H * D)


def step():
    if mode == "forward":
        with torch.no_grad():
            return attend()
    q.grad = k.grad = v.grad = None
    attend().backward(dy)


for _ in range(3):
    step()
print(statistics.median(timed(step, seconds, 5)))
