"""Matrix products of PyTorch at the shapes that scripts/compare/matmul names: a line "NAME milliseconds" each, the median call.
python torch_matmul.py BASELINES seconds NAME...        NAME: matmul/NT 64x512x128, matmul/bf16-TN 768x1536x384, …"""
import statistics, sys
sys.path.insert(0, sys.argv[1])
import torch
from common import timed

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


for name in sys.argv[3:]:
    a, b, c = operands(name)
    for _ in range(3):
        torch.mm(a, b, out=c)
    print(name, statistics.median(timed(lambda: torch.mm(a, b, out=c), float(sys.argv[2]), 5)), flush=True)
