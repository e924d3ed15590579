import polars as pl

from curate.reweighting.order import in_key_order


def frame(group_ids: list[int], indices: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"group_id": group_ids, "sample_index": indices, "row": range(len(indices))})


def test_contiguous_ascending_groups_are_left_as_they_are() -> None:
    ordered = in_key_order(frame([9, 9, 2, 2], [0, 3, 0, 1]))
    assert ordered.came_from is None
    assert ordered.frame["group"].to_list() == [0, 0, 1, 1]
    assert ordered.restore(ordered.frame)["row"].to_list() == [0, 1, 2, 3]


def test_scattered_groups_are_sorted_and_come_back_in_input_order() -> None:
    ordered = in_key_order(frame([9, 2, 9, 2], [0, 1, 1, 0]))
    assert ordered.frame["row"].to_list() == [3, 1, 0, 2]
    assert ordered.frame["group"].to_list() == [0, 0, 1, 1]
    assert ordered.restore(ordered.frame)["row"].to_list() == [0, 1, 2, 3]


def test_a_group_in_descending_order_is_sorted() -> None:
    assert in_key_order(frame([1, 1, 2], [1, 0, 0])).frame["row"].to_list() == [1, 0, 2]


def test_unsigned_indices_and_text_group_ids() -> None:
    mixed = pl.DataFrame(
        {"group_id": ["b", "b", "a"], "sample_index": pl.Series([1, 0, 0], dtype=pl.UInt8), "row": [0, 1, 2]}
    )
    assert in_key_order(mixed).frame["row"].to_list() == [2, 1, 0]
