"""The file of a measurement, and the table that is made of it.

A step is one turn of one group of rows for one column: a peer, or the floor. The file is written anew after each step
(first beside it, then renamed), so what was measured outlives whatever ends the run, and a later run can go on.
"""
import json
import os
import statistics


class Results:
    def __init__(self, path, about):
        self.path, self.about = path, about
        self.rows = []   # [key, title, target, digits] in the order of the table
        self.steps = []  # {group, turn, column, seconds, figures: [[row, value]], runs, counted, disturbed, failure}

    @staticmethod
    def load(path):
        with open(path) as f:
            content = json.load(f)
        results = Results(path, content['about'])
        results.rows, results.steps = content['rows'], content['steps']
        return results

    def save(self):
        if self.path is None:
            return
        with open(self.path + '.new', 'w') as f:
            json.dump({'about': self.about, 'rows': self.rows, 'steps': self.steps}, f, indent=1)
        os.replace(self.path + '.new', self.path)

    def declare(self, row):
        if row[0] not in [r[0] for r in self.rows]:
            self.rows.append(list(row))

    def add(self, step):
        """In the place of the same step, if that had failed."""
        same = ('group', 'turn', 'column')
        self.steps = [s for s in self.steps if [s[k] for k in same] != [step[k] for k in same]] + [step]
        self.save()

    def done(self, group, turn, column):
        return any((s['group'], s['turn'], s['column']) == (group, turn, column) and not s['failure']
                   for s in self.steps)

    def seconds(self, group, column):
        """How long the step took so far; None if it was not run."""
        took = [s['seconds'] for s in self.steps if (s['group'], s['column']) == (group, column) and not s['failure']]
        return statistics.median(took) if took else None

    def values(self, row, column):
        return [v for s in self.steps if s['column'] == column for key, v in s['figures'] if key == row]

    def replace(self, later):
        """The groups and columns that `later` has are taken from it."""
        have = {(s['group'], s['column']) for s in later.steps}
        self.steps = [s for s in self.steps if (s['group'], s['column']) not in have] + later.steps
        for row in later.rows:
            self.declare(row)

    def cell(self, row, column, digits):
        values = self.values(row, column)
        if not values:
            return ''
        text = f'{statistics.median(values):,.{digits}f}'
        low, high = (f'{f(values):,.{digits}f}' for f in (min, max))
        return text if len(values) == 1 or low == high else f'{text} ({low}..{high})'

    def table(self, columns):
        columns = [c for c in columns if any(s['column'] == c and s['figures'] for s in self.steps)]
        lines = ['| measure | target | ' + ' | '.join(columns) + ' |', '|---|---|' + '---|' * len(columns)]
        for key, title, target, digits in self.rows:
            cells = [self.cell(key, c, digits) for c in columns]
            if any(cells):
                lines.append(f'| {title} | {target} | ' + ' | '.join(cells) + ' |')
        return '\n'.join(lines)

    def conditions(self):
        a = self.about
        turns = ', '.join(f'{c} {n}' for c, n in sorted(self.turns().items()))
        return [f'{a["date"]}, {a["machine"]}; commit {a["commit"] or "unknown"}; {a["versions"]}.',
                f'{"--quick: no figures to publish; " if a["quick"] else ""}leat options: {a["options"] or "none"}. '
                f'Medians, and (least..most) where there is more than one figure; turns: {turns or "none"}.']

    def turns(self):
        most = {}
        for s in self.steps:
            if not s['failure']:
                most[s['column']] = max(most.get(s['column'], 0), s['turn'])
        return most

    def footnotes(self, foreign_most):
        counted, disturbed = (sum(s[k] for s in self.steps) for k in ('counted', 'disturbed'))
        took = sum(s['seconds'] for s in self.steps)
        lines = [f'{counted} runs in {took:.0f} s, {disturbed} of them with more than {foreign_most} of a core taken by '
                 'other processes.']
        for s in self.steps:
            if s['failure']:
                lines.append(f'FAILED: {s["group"]}, {s["column"]}, turn {s["turn"]}: {s["failure"]}')
        return lines
