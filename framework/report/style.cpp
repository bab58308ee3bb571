#include "framework/report/style.h"

namespace adder::report {

std::string page_css() {
  return R"css(:root{--paper:#fff;--ink:#1b1b1b;--soft:#595959;--rule:#d9d9d9;--panel:#f6f6f4;--good:#006b4a;--bad:#a83200;--open:#6b5200}
@media (prefers-color-scheme:dark){:root{--paper:#17181a;--ink:#ececec;--soft:#b3b3b3;--rule:#3d3f43;--panel:#212327;--good:#4fd6a5;--bad:#ff9a70;--open:#e8c35a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.7rem;line-height:1.2;margin:.1em 0 .6em}
h2{font-size:1.2rem;margin:2em 0 .5em;padding-top:.6em;border-top:1px solid var(--rule)}
p,ul,dl{max-width:75ch}
.kicker{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.04em}
.verdict{border-left:6px solid var(--soft);background:var(--panel);padding:14px 18px;margin:0 0 1em}
.verdict p{margin:.15em 0}
.headline{font-weight:600;font-size:1.15rem}
.effect{font-size:1.05rem}
.detail{color:var(--soft)}
.verdict.good{border-color:var(--good)}.verdict.bad{border-color:var(--bad)}.verdict.open{border-color:var(--open)}
.verdict.good .headline,.checks .good b{color:var(--good)}
.verdict.bad .headline,.checks .bad b{color:var(--bad)}
.verdict.open .headline,.checks .open b{color:var(--open)}
.checks{list-style:none;padding:0}.checks b{display:inline-block;min-width:3.2em}
pre{background:var(--panel);padding:8px 12px;overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
dl{display:grid;gap:2px}dl div{display:grid;grid-template-columns:12em 1fr;gap:1em}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums;margin:.4em 0}
th,td{padding:3px 10px;border-bottom:1px solid var(--rule);text-align:right;white-space:nowrap;vertical-align:top}
th.left,td.left{text-align:left;white-space:normal}
th:first-child,td:first-child{padding-left:0}
td small{display:block;color:var(--soft);font-size:.85em}
thead th{color:var(--soft);font-weight:600}
@media (max-width:600px){table{font-size:.8rem}th,td{white-space:normal;padding:3px 5px}}
.caption{color:var(--soft);margin:.8em 0 0}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(400px,100%),1fr));gap:18px}
.plate{margin:1em 0}.grid .plate{margin:0;min-width:0;max-width:640px}
figure{margin:0;break-inside:avoid}
figure svg{max-width:100%;height:auto;display:block}
.grid svg{width:100%}
figcaption{font-size:.88rem;color:var(--soft);max-width:75ch}
figcaption b{color:var(--ink)}
details{font-size:.85rem}summary{cursor:pointer;color:var(--soft)}
svg text{font:11px system-ui,sans-serif;fill:var(--ink)}
svg .tick{fill:var(--soft);font-size:10px}
svg .grid{stroke:var(--rule);stroke-width:.6}
svg .axis{stroke:var(--soft);stroke-width:1}
svg .line{fill:none;stroke:var(--colour);stroke-width:1.8;stroke-dasharray:var(--dash);stroke-linejoin:round}
svg .faint{opacity:.45}svg .line.faint{stroke-width:1}
svg .band{fill:var(--colour);opacity:.16}
svg .mark{fill:var(--colour);stroke:var(--colour);stroke-width:1.4}
svg .bar{fill:var(--colour)}
svg .interval{stroke:var(--colour);stroke-width:2.4}
svg .label{fill:color-mix(in oklab,var(--colour,var(--soft)) 70%,var(--ink))}
svg .reference{stroke:var(--ink);stroke-width:1;stroke-dasharray:3 3}
svg .failed{fill:var(--bad)}
svg .empty{fill:none;stroke:var(--rule);stroke-width:.4}
.toggles{border:1px solid var(--rule);display:flex;flex-wrap:wrap;gap:4px 18px;margin:1em 0;font-size:.9rem}
.toggles legend{color:var(--soft);padding:0 6px}
.toggles svg{width:34px;height:12px;vertical-align:middle}
.toggles span svg *{display:inline!important}
a{color:inherit}:focus-visible{outline:2px solid var(--c0);outline-offset:2px}
@page{size:A4;margin:14mm}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--panel:#f4f4f4;--rule:#bbb}
main{max-width:none;padding:0}.toggles{display:none}h2,.caption{break-after:avoid}tr{break-inside:avoid}
body{font-size:11pt}table,td small{font-size:7.5pt}
figure svg{max-height:225mm}
.wide{overflow:visible}th,td{white-space:normal;overflow-wrap:break-word;padding:2px 4px}
details th,details td{overflow-wrap:anywhere;padding:1px 2px}
details>*{display:block}details::details-content{content-visibility:visible;block-size:auto}.grid{grid-template-columns:1fr 1fr}
a::after{content:" (" attr(href) ")"}}
)css";
}

}  // namespace adder::report
