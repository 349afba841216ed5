# %% [markdown]
# # The trade-off of a study
# A notebook in percent format: Jupyter (with jupytext) and VS Code open it, and it runs as it is:
# `RUN=runs/quick python examples/trade_off.py`. It reads a run directory's files; no Ray, no torch.

# %%
import os

from analysis.figures.curves import curves_data, curves_figure
from analysis.figures.trade_off import trade_off_data, trade_off_figure
from analysis.ranking import best_trials, preferences, rank
from analysis.summary import front_sentence
from analysis.trials import read_study

study = read_study(os.environ.get("RUN", "runs/quick"))
ranking = rank(study)
print(front_sentence(ranking))

# %% [markdown]
# Every cell: a β and a latent size over its seeds, the best first. `front_probability` is the share of bootstrap draws
# over seeds in which no other cell beats it in both objectives.

# %%
columns = ["label", "scored", "reconstruction_mean", "mig_mean", "test_mig_mean", "front", "front_probability"]
print(ranking.cells[[c for c in columns if c in ranking.cells]].to_string(index=False))

# %% [markdown]
# Reconstruction against MIG, a point for each trial. `.show()` draws it in a notebook.

# %%
figure = trade_off_figure(trade_off_data(ranking, "reconstruction", "mig"))
figure.write_html("trade_off.html", include_plotlyjs=True)

# %% [markdown]
# How the trials came there, and who is best for whom: `low` to `high` is how much reconstruction counts against MIG.

# %%
curves_figure(curves_data(study, ranking, "mig")).write_html("mig_curves.html", include_plotlyjs=True)
print(preferences(ranking).to_string(index=False))
print("best trial:", *best_trials(ranking, 1)["trial_id"])
