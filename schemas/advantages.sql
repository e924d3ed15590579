-- What a recipe makes of each sample. Variants: recipe=NAME.
CREATE TABLE advantages (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    reward DOUBLE CHECK (isfinite(reward)),
    shaped DOUBLE CHECK (isfinite(shaped)),
    advantage DOUBLE CHECK (isfinite(advantage)),
    weight DOUBLE CHECK (isfinite(weight) AND weight >= 0),
    kl_scale DOUBLE CHECK (isfinite(kl_scale) AND kl_scale >= 0),
    token_advantages FLOAT[] CHECK (list_count(token_advantages) = len(token_advantages)) CHECK (isfinite(list_min(token_advantages)) AND isfinite(list_max(token_advantages))),
    token_credit FLOAT[] CHECK (list_count(token_credit) = len(token_credit)) CHECK (isfinite(list_min(token_credit)) AND isfinite(list_max(token_credit))),
    drop_reason VARCHAR CHECK (drop_reason IN ('unjudged', 'surplus', 'no_likelihood', 'no_rts', 'no_diversity', 'no_score', 'no_branches', 'singleton', 'all_wrong', 'all_correct', 'degenerate', 'gated')),
    group_size INTEGER NOT NULL CHECK (group_size >= 0),
    n_correct INTEGER CHECK (n_correct >= 0 AND n_correct <= group_size),
    CHECK ((advantage IS NULL) = (weight IS NULL)),
    CHECK ((advantage IS NULL) = (drop_reason IS NOT NULL)),
    CHECK (reward IS NOT NULL OR advantage IS NULL),
    CHECK (token_advantages IS NULL OR advantage IS NOT NULL),
    CHECK (token_credit IS NULL OR advantage IS NOT NULL)
);
COMMENT ON TABLE advantages IS 'Reward, shaped reward and advantage of each sample under one recipe, with what was dropped and why. Grain: sample.';
COMMENT ON COLUMN advantages.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN advantages.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN advantages.reward IS 'reward from the verdicts read; null = not judged';
COMMENT ON COLUMN advantages.shaped IS 'reward after the recipe''s shaping; null = not judged, or the source has no shaping';
COMMENT ON COLUMN advantages.advantage IS 'advantage of the whole completion, finite; null = dropped';
COMMENT ON COLUMN advantages.weight IS 'factor of the sample''s loss, >= 0; null = dropped';
COMMENT ON COLUMN advantages.kl_scale IS 'factor of the sample''s KL term in the loss, >= 0; null = 1';
COMMENT ON COLUMN advantages.token_advantages IS 'one advantage a completion token, shape (T,), in place of advantage in the loss; null = none';
COMMENT ON COLUMN advantages.token_credit IS 'what the recipe measures of each completion token, shape (T,), for people: the loss does not read it; null = none';
COMMENT ON COLUMN advantages.drop_reason IS 'why the sample does not train, the first that applies; null = kept';
COMMENT ON COLUMN advantages.group_size IS 'samples of the group that took part in its statistics (not unjudged, surplus, no_likelihood, no_rts, no_diversity, no_score, no_branches)';
COMMENT ON COLUMN advantages.n_correct IS 'correct samples among those; null = outcome unknown';

CREATE VIEW violation_of_ascending_sample_index AS
SELECT group_id, sample_index
FROM (SELECT group_id, sample_index, lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index FROM advantages)
WHERE group_id = previous_group AND sample_index <= previous_index;

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM advantages)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;

-- Rows are compared with the row before (groups are contiguous): min and max of n_correct over each group cost twice as much.
CREATE VIEW violation_of_one_group_size_and_n_correct AS
SELECT group_id
FROM (SELECT group_id, group_size, n_correct, lag(group_id) OVER () AS previous_group, lag(group_size) OVER () AS previous_size, lag(n_correct) OVER () AS previous_n_correct FROM advantages)
WHERE group_id = previous_group AND (group_size <> previous_size OR n_correct IS DISTINCT FROM previous_n_correct)
UNION
SELECT group_id FROM advantages GROUP BY group_id
HAVING max(group_size) <> count(*) FILTER (drop_reason IS NULL OR drop_reason NOT IN ('unjudged', 'surplus', 'no_likelihood', 'no_rts', 'no_diversity', 'no_score', 'no_branches'));
