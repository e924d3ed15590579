-- Preference pairs inside a group. Variants: recipe=NAME.
CREATE TABLE pairs (
    group_id BIGINT NOT NULL,
    chosen INTEGER NOT NULL CHECK (chosen >= 0),
    rejected INTEGER NOT NULL CHECK (rejected >= 0),
    target DOUBLE CHECK (isfinite(target)),
    smoothing DOUBLE CHECK (isfinite(smoothing) AND smoothing >= 0 AND smoothing <= 0.5),
    CHECK (chosen <> rejected)
);
COMMENT ON TABLE pairs IS 'Two samples of a group, the first preferred. Grain: pair.';
COMMENT ON COLUMN pairs.group_id IS 'key: the group both samples belong to; a string in JSON';
COMMENT ON COLUMN pairs.chosen IS 'key: sample_index of the preferred sample';
COMMENT ON COLUMN pairs.rejected IS 'key: sample_index of the other sample';
COMMENT ON COLUMN pairs.target IS 'target of the difference of log-ratios, nats; null = the loss needs none';
COMMENT ON COLUMN pairs.smoothing IS 'label smoothing of the pair, in [0, 0.5]; null = none';

CREATE VIEW violation_of_unique_pair AS
SELECT group_id, chosen, rejected FROM pairs GROUP BY group_id, chosen, rejected HAVING count(*) > 1;
