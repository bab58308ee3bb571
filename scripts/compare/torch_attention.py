"""Causal attention of PyTorch, queries, keys and values as a model makes them: heads cut out of (batch, length, heads x head_dim).
Milliseconds of the median call. Run by scripts/compare/attention.
python torch_attention.py forward|train batch heads length head_dim seconds"""
import statistics, sys, time
import torch
import torch.nn.functional as F

mode, (B, H, T, D), seconds = sys.argv[1], map(int, sys.argv[2:6]), float(sys.argv[6])
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
times, begin = [], time.perf_counter()
while len(times) < 5 or time.perf_counter() - begin < seconds:
    start = time.perf_counter()
    step()
    times.append((time.perf_counter() - start) * 1e3)
print(statistics.median(times))
