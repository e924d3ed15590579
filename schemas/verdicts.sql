-- What a verifier says of each sample. Variants: verifier=NAME.
CREATE TABLE verdicts (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    outcome VARCHAR CHECK (outcome IN ('correct', 'incorrect', 'unparsable', 'timeout', 'error')),
    reward DOUBLE CHECK (isfinite(reward)),
    extracted VARCHAR,
    detail VARCHAR,
    seconds DOUBLE CHECK (isfinite(seconds) AND seconds >= 0),
    CHECK (reward IS NULL OR outcome IS NULL OR outcome NOT IN ('timeout', 'error'))
);
COMMENT ON TABLE verdicts IS 'Outcome and reward of each sample, from a verifier program or from the source. Grain: sample.';
COMMENT ON COLUMN verdicts.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN verdicts.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN verdicts.outcome IS 'correct, incorrect, unparsable (no answer found), timeout or error (the verifier gave up); null = the source''s reward does not say';
COMMENT ON COLUMN verdicts.reward IS 'reward of the verifier, no unit: 1 correct, 0 incorrect or unparsable, any finite number in imports; null = not judged, never 0';
COMMENT ON COLUMN verdicts.extracted IS 'answer that the verifier found in the completion; null = none';
COMMENT ON COLUMN verdicts.detail IS 'short reason of the outcome; null = nothing to add';
COMMENT ON COLUMN verdicts.seconds IS 'time the verifier took for this sample, s, >= 0; null = not timed; measured';

CREATE VIEW violation_of_ascending_sample_index AS
SELECT group_id, sample_index
FROM (SELECT group_id, sample_index, lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index FROM verdicts)
WHERE group_id = previous_group AND sample_index <= previous_index;

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM verdicts)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;
