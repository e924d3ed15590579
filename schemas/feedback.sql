-- What a judge says of each sample's reasoning. Variants: judge=NAME.
CREATE TABLE feedback (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    n_steps INTEGER CHECK (n_steps >= 0),
    first_error_step INTEGER CHECK (first_error_step >= 1),
    rts DOUBLE CHECK (isfinite(rts) AND rts >= 0 AND rts <= 1),
    cluster INTEGER CHECK (cluster >= 0),
    diversity DOUBLE CHECK (isfinite(diversity) AND diversity >= 0 AND diversity < 1),
    judge_scores MAP(VARCHAR, DOUBLE) CHECK (isfinite(list_min(map_values(judge_scores))) AND isfinite(list_max(map_values(judge_scores)))),
    votes INTEGER[] CHECK (list_min(votes) >= 1),
    reply VARCHAR,
    prompt_hash VARCHAR,
    step_offsets INTEGER[] CHECK (list_count(step_offsets) = len(step_offsets)) CHECK (list_min(step_offsets) >= 0),
    error VARCHAR,
    CHECK (first_error_step IS NULL OR (n_steps IS NOT NULL AND first_error_step <= n_steps)),
    CHECK ((rts IS NULL) = (first_error_step IS NULL)),
    CHECK (rts IS NULL OR abs(rts - (first_error_step - 1) / n_steps) <= 1e-9),
    CHECK (error IS NULL OR rts IS NULL),
    CHECK (error IS NULL OR n_steps IS NULL),
    CHECK (len(step_offsets) = n_steps),
    CHECK (list_max(votes) <= n_steps),
    CHECK ((cluster IS NULL) = (diversity IS NULL))
);
COMMENT ON TABLE feedback IS 'A judge''s reading of each sample: the first wrong step, the strategy cluster, scores. Grain: sample.';
COMMENT ON COLUMN feedback.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN feedback.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN feedback.n_steps IS 'steps the completion was split into, S, >= 0; null = not judged';
COMMENT ON COLUMN feedback.first_error_step IS 'first wrong step e, 1-based, 1..S; null = none found, or no judgment (error says which)';
COMMENT ON COLUMN feedback.rts IS 'reasoning trajectory score (e - 1) / S, in [0, 1); null = no error found or no judgment';
COMMENT ON COLUMN feedback.cluster IS 'strategy cluster of the sample inside its group, from 0; null = not clustered';
COMMENT ON COLUMN feedback.diversity IS 'share of the group outside the sample''s cluster, in [0, 1); null = not clustered';
COMMENT ON COLUMN feedback.judge_scores IS 'further scores by name, finite, scale as the judge''s prompt states; null = none asked';
COMMENT ON COLUMN feedback.votes IS 'first wrong step of every judgment when several were asked, 1..S, shape (votes,), null element = none found; null = one judgment';
COMMENT ON COLUMN feedback.reply IS 'raw reply of the judge, a JSON list where there were several, on every sample they were about; null = a rule judged, or nothing came back';
COMMENT ON COLUMN feedback.prompt_hash IS 'hash of the judge prompt''s text; null = a rule judged, or nothing was asked';
COMMENT ON COLUMN feedback.step_offsets IS 'character offset in completion where each step starts, shape (S,); null = not split';
COMMENT ON COLUMN feedback.error IS 'why there is no judgment (out_of_scope = its group was not asked about); null = judged';

CREATE VIEW violation_of_ascending_sample_index AS
SELECT group_id, sample_index
FROM (SELECT group_id, sample_index, lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index FROM feedback)
WHERE group_id = previous_group AND sample_index <= previous_index;

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM feedback)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;

CREATE VIEW violation_of_one_diversity_per_cluster AS
SELECT group_id, cluster FROM feedback WHERE cluster IS NOT NULL GROUP BY group_id, cluster
HAVING max(diversity) - min(diversity) > 1e-9;
