-- Monte-Carlo continuations from step borders, for step credit. Variants: by=NAME.
CREATE TABLE branches (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    step INTEGER NOT NULL CHECK (step >= 0),
    n_kept INTEGER NOT NULL CHECK (n_kept >= 0),
    n INTEGER NOT NULL CHECK (n >= 1),
    rewards DOUBLE[] NOT NULL CHECK (isfinite(list_min(rewards)) AND isfinite(list_max(rewards))),
    CHECK (len(rewards) = n),
    CHECK ((step = 0) = (n_kept = 0))
);
COMMENT ON TABLE branches IS 'Rewards of continuations sampled from a step border of a stored completion. Grain: sample x step.';
COMMENT ON COLUMN branches.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN branches.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN branches.step IS 'steps of the stored completion that the continuations keep, from 0 (the bare prompt, the same continuations for all samples of a group)';
COMMENT ON COLUMN branches.n_kept IS 'tokens of the stored completion that the continuations keep, from 0 (the bare prompt)';
COMMENT ON COLUMN branches.n IS 'continuations sampled from there, >= 1';
COMMENT ON COLUMN branches.rewards IS 'reward of each continuation, shape (n,); null element = the verifier gave up';

CREATE VIEW violation_of_unique_step AS
SELECT group_id, sample_index, step FROM branches GROUP BY group_id, sample_index, step HAVING count(*) > 1;

CREATE VIEW violation_of_ascending_steps AS
SELECT group_id, sample_index, step
FROM (SELECT group_id, sample_index, step, n_kept,
    lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index,
    lag(step) OVER () AS previous_step, lag(n_kept) OVER () AS previous_n_kept FROM branches)
WHERE group_id = previous_group
AND (sample_index < previous_index OR (sample_index = previous_index AND (step <= previous_step OR n_kept <= previous_n_kept)));

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM branches)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;
