"""``curate status``: what is done, pending, waiting and stale."""

from __future__ import annotations

from curate.verbs.options import DatasetDir, Json


def status(dataset: DatasetDir, json: Json = False) -> None:
    """Show the parts of every table and variant: done, pending, waiting, stale; and what to run."""
    from curate.console import print_json, print_table, say
    from curate.dataset import Dataset
    from curate.states import import_command, missing_parts, unfinished_import
    from curate.verbs.calibrate import calibrations_told

    data = Dataset(dataset)
    records = data.status()
    if json:
        print_json(records)
        return
    columns = ("table", "rows", "done", "pending", "waiting", "stale")
    print_table(columns, [[record[column] for column in columns] for record in records], title=str(dataset))
    if command := unfinished_import(data):
        say(f"the import was stopped before its last part: run `{command}` again, it goes on from there.")
    for part in missing_parts(data):
        say(f"{part} was imported and is missing: run `{import_command(data)}` to make it again.")
    for record in records:
        if record["stale"]:
            say(
                f"{record['table']} is stale: {', '.join(record['changed'])} changed since. Run `{record['command']} --overwrite`."
            )
        elif record["pending"]:
            say(f"{record['table']} has pending parts: run `{record['command']}`.")
    for sentence in calibrations_told(data):
        say(sentence)
