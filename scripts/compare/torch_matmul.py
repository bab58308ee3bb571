"""Matrix products of PyTorch at the shapes that scripts/compare/matmul names: a line "NAME milliseconds" each, the median call.
python torch_matmul.py seconds NAME...        NAME: matmul/NT 64x512x128, matmul/bf16-TN 768x1536x384, …"""
import statistics, sys, time
import torch

torch.set_num_threads(2)
torch.manual_seed(0)


def operands(name):
    way, sizes = name.removeprefix("matmul/").split()
    m, n, k = map(int, sizes.split("x"))
    dtype = torch.bfloat16 if way.startswith("bf16-") else torch.float32
    way = way.removeprefix("bf16-")
    a = torch.randn(k, m).T if way[0] == "T" else torch.randn(m, k)
    b = torch.randn(n, k).T if way[1] == "T" else torch.randn(k, n)
    return a.to(dtype), b.to(dtype), torch.empty(m, n, dtype=dtype)


def timed(f, seconds):
    for _ in range(3):
        f()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        f()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


for name in sys.argv[2:]:
    a, b, c = operands(name)
    print(name, timed(lambda: torch.mm(a, b, out=c), float(sys.argv[1])), flush=True)
