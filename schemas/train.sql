-- The self-contained training table that `curate export --format train` writes: kept rows only.
CREATE TABLE train (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    prompt VARCHAR,
    completion VARCHAR,
    prompt_ids INTEGER[] CHECK (list_count(prompt_ids) = len(prompt_ids)) CHECK (list_min(prompt_ids) >= 0),
    completion_ids INTEGER[] CHECK (list_count(completion_ids) = len(completion_ids)) CHECK (list_min(completion_ids) >= 0),
    loss_mask BOOLEAN[] CHECK (list_count(loss_mask) = len(loss_mask)),
    old_logprobs FLOAT[] CHECK (list_count(old_logprobs) = len(old_logprobs)) CHECK (list_max(old_logprobs) <= 0) CHECK (isfinite(list_min(old_logprobs))),
    ref_logprobs FLOAT[] CHECK (list_count(ref_logprobs) = len(ref_logprobs)) CHECK (list_max(ref_logprobs) <= 0) CHECK (isfinite(list_min(ref_logprobs))),
    advantage DOUBLE NOT NULL CHECK (isfinite(advantage)),
    token_advantages FLOAT[] CHECK (list_count(token_advantages) = len(token_advantages)) CHECK (isfinite(list_min(token_advantages)) AND isfinite(list_max(token_advantages))),
    weight DOUBLE NOT NULL CHECK (isfinite(weight) AND weight >= 0),
    CHECK ((completion_ids IS NULL) = (loss_mask IS NULL)),
    CHECK ((completion_ids IS NULL) = (prompt_ids IS NULL)),
    CHECK (completion_ids IS NOT NULL OR (old_logprobs IS NULL AND ref_logprobs IS NULL AND token_advantages IS NULL)),
    CHECK (completion IS NOT NULL OR completion_ids IS NOT NULL),
    CHECK (len(loss_mask) = len(completion_ids)),
    CHECK (len(old_logprobs) = len(completion_ids)),
    CHECK (len(ref_logprobs) = len(completion_ids)),
    CHECK (len(token_advantages) = len(completion_ids))
);
COMMENT ON TABLE train IS 'Every kept sample with all that the loss needs, in one table. Grain: sample.';
COMMENT ON COLUMN train.group_id IS 'group of the sample in the dataset it came from';
COMMENT ON COLUMN train.sample_index IS 'place of the sample in its group, from 0';
COMMENT ON COLUMN train.prompt IS 'text, or the JSON of chat messages; null = only token ids are known';
COMMENT ON COLUMN train.completion IS 'text of the completion; null = only token ids are known';
COMMENT ON COLUMN train.prompt_ids IS 'token ids of the prompt, shape (prompt tokens,); null with completion_ids';
COMMENT ON COLUMN train.completion_ids IS 'token ids of the completion, shape (T,); null = the source had no tokens';
COMMENT ON COLUMN train.loss_mask IS 'true = the token is trained, shape (T,); null with completion_ids';
COMMENT ON COLUMN train.old_logprobs IS 'natural log-probs under the policy that sampled, nats, shape (T,); null = not recorded';
COMMENT ON COLUMN train.ref_logprobs IS 'natural log-probs under the scorer named at export, nats, shape (T,); null = none named';
COMMENT ON COLUMN train.advantage IS 'advantage of the whole completion, finite';
COMMENT ON COLUMN train.token_advantages IS 'one advantage a token, shape (T,), in place of advantage; null = none';
COMMENT ON COLUMN train.weight IS 'factor of the sample''s loss, >= 0';

CREATE VIEW violation_of_unique_sample AS
SELECT group_id, sample_index FROM train GROUP BY group_id, sample_index HAVING count(*) > 1;
