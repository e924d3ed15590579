-- One row a sample. Groups are contiguous and sample_index ascends inside each, in every part of every table that has this key.
CREATE TABLE samples (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) > 0),
    completion VARCHAR,
    completion_ids INTEGER[] CHECK (list_count(completion_ids) = len(completion_ids)) CHECK (list_min(completion_ids) >= 0),
    logprobs FLOAT[] CHECK (list_count(logprobs) = len(logprobs)) CHECK (list_max(logprobs) <= 0) CHECK (isfinite(list_min(logprobs))),
    loss_mask BOOLEAN[] CHECK (list_count(loss_mask) = len(loss_mask)),
    finish_reason VARCHAR CHECK (finish_reason IN ('stop', 'length', 'abort', 'other')),
    policy VARCHAR,
    policy_version VARCHAR,
    temperature DOUBLE CHECK (isfinite(temperature) AND temperature >= 0),
    top_p DOUBLE CHECK (isfinite(top_p) AND top_p > 0 AND top_p <= 1),
    seed BIGINT,
    token_exact BOOLEAN NOT NULL,
    logprob_semantics VARCHAR CHECK (logprob_semantics IN ('raw', 'processed')),
    hinted BOOLEAN NOT NULL,
    topk_ids INTEGER[][] CHECK (list_count(topk_ids) = len(topk_ids)) CHECK (list_count(flatten(topk_ids)) = len(flatten(topk_ids))) CHECK (list_min(flatten(topk_ids)) >= 0),
    topk_logprobs FLOAT[][] CHECK (list_count(topk_logprobs) = len(topk_logprobs)) CHECK (list_count(flatten(topk_logprobs)) = len(flatten(topk_logprobs))) CHECK (list_max(flatten(topk_logprobs)) <= 0) CHECK (isfinite(list_min(flatten(topk_logprobs)))),
    n_initial INTEGER CHECK (n_initial >= 1),
    stopping_rule VARCHAR,
    CHECK ((n_initial IS NULL) = (stopping_rule IS NULL)),
    CHECK (completion IS NOT NULL OR completion_ids IS NOT NULL),
    CHECK (completion_ids IS NOT NULL OR NOT token_exact),
    CHECK (completion_ids IS NOT NULL OR (logprobs IS NULL AND loss_mask IS NULL)),
    CHECK (len(logprobs) = len(completion_ids)),
    CHECK (len(loss_mask) = len(completion_ids)),
    CHECK (len(topk_ids) = len(completion_ids)),
    CHECK (len(topk_logprobs) = len(topk_ids))
);
COMMENT ON TABLE samples IS 'The completions, in groups: G completions of one prompt from one policy under one setting. Grain: sample.';
COMMENT ON COLUMN samples.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN samples.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN samples.prompt_id IS 'the prompt this completion answers, in table prompts';
COMMENT ON COLUMN samples.completion IS 'text of the completion, special tokens left out; null = only token ids are known';
COMMENT ON COLUMN samples.completion_ids IS 'token ids the policy sampled, shape (T,); null = not recorded by the source';
COMMENT ON COLUMN samples.logprobs IS 'natural log-probs of the sampled tokens under the sampling policy, nats <= 0, shape (T,); null = not recorded';
COMMENT ON COLUMN samples.loss_mask IS 'true = the token is trained, shape (T,); null = every token is trained';
COMMENT ON COLUMN samples.finish_reason IS 'stop = ended by itself, length = truncated, abort, other; null = not recorded';
COMMENT ON COLUMN samples.policy IS 'name of the model that sampled; null = not recorded';
COMMENT ON COLUMN samples.policy_version IS 'version or training step of that model; null = not recorded';
COMMENT ON COLUMN samples.temperature IS 'sampling temperature, >= 0 (0 = greedy); null = not recorded';
COMMENT ON COLUMN samples.top_p IS 'nucleus share, in (0, 1]; null = not recorded';
COMMENT ON COLUMN samples.seed IS 'seed of this sample; null = not recorded';
COMMENT ON COLUMN samples.token_exact IS 'true = completion_ids are the ids that were sampled; false = text only, or re-tokenized';
COMMENT ON COLUMN samples.logprob_semantics IS 'raw = before temperature and truncation of the support, processed = of the distribution sampled from; null = unknown';
COMMENT ON COLUMN samples.hinted IS 'true = sampled with the answer shown; such rows never train with the hint';
COMMENT ON COLUMN samples.topk_ids IS 'ids of the k likeliest tokens at each position, shape (T, k); null = not recorded';
COMMENT ON COLUMN samples.topk_logprobs IS 'natural log-probs of topk_ids, nats <= 0, shape (T, k); null = not recorded';
COMMENT ON COLUMN samples.n_initial IS 'samples drawn before a stopping rule looked at the group; pass rates use only these; null = no stopping rule';
COMMENT ON COLUMN samples.stopping_rule IS 'rule that decided how many samples to draw; null = a fixed number';

CREATE VIEW violation_of_ascending_sample_index AS
SELECT group_id, sample_index
FROM (SELECT group_id, sample_index, lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index FROM samples)
WHERE group_id = previous_group AND sample_index <= previous_index;

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM samples)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;

CREATE VIEW violation_of_one_prompt_per_group AS
SELECT group_id FROM samples GROUP BY group_id HAVING min(prompt_id) <> max(prompt_id);

CREATE VIEW violation_of_one_logprob_per_topk_id AS
SELECT group_id, sample_index FROM samples
WHERE list_transform(topk_ids, lambda ids: len(ids)) <> list_transform(topk_logprobs, lambda logprobs: len(logprobs));
