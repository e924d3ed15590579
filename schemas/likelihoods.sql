-- How likely each completion is under a scorer. Variants: scorer=NAME.
CREATE TABLE likelihoods (
    group_id BIGINT NOT NULL,
    sample_index INTEGER NOT NULL CHECK (sample_index >= 0),
    n_tokens INTEGER CHECK (n_tokens >= 0),
    logprobs FLOAT[] CHECK (list_count(logprobs) = len(logprobs)) CHECK (list_max(logprobs) <= 0) CHECK (isfinite(list_min(logprobs))),
    sum_logprob DOUBLE CHECK (isfinite(sum_logprob) AND sum_logprob <= 0),
    mean_logprob DOUBLE CHECK (isfinite(mean_logprob) AND mean_logprob <= 0),
    answer_mean_logprob DOUBLE CHECK (isfinite(answer_mean_logprob) AND answer_mean_logprob <= 0),
    likelihood_rank DOUBLE CHECK (isfinite(likelihood_rank) AND likelihood_rank >= 1),
    logprob_semantics VARCHAR CHECK (logprob_semantics IN ('raw', 'processed')),
    CHECK (n_tokens <= len(logprobs)),
    CHECK ((sum_logprob IS NULL) = (mean_logprob IS NULL)),
    CHECK (abs(sum_logprob - mean_logprob * n_tokens) <= 1e-6 * greatest(1, abs(sum_logprob))),
    CHECK ((mean_logprob IS NULL) = (likelihood_rank IS NULL))
);
COMMENT ON TABLE likelihoods IS 'Log-probs of each completion under one scorer, and its rank in the group. Grain: sample.';
COMMENT ON COLUMN likelihoods.group_id IS 'key: 8 bytes of BLAKE2b over what defines the group, as a signed integer; a string in JSON';
COMMENT ON COLUMN likelihoods.sample_index IS 'key: place of the sample in its group, from 0; ascending inside a part';
COMMENT ON COLUMN likelihoods.n_tokens IS 'completion tokens that count (loss_mask true), >= 0; null = not scored';
COMMENT ON COLUMN likelihoods.logprobs IS 'natural log-probs of the completion tokens under the scorer, nats <= 0, shape (T,); null = not scored, or kept in samples (scorer from the sampler)';
COMMENT ON COLUMN likelihoods.sum_logprob IS 'sum of the log-probs over the counted tokens, nats; samples of a group with the same completion and n_tokens share their mean; null = not scored';
COMMENT ON COLUMN likelihoods.mean_logprob IS 'mean of the log-probs over the counted tokens, nats a token; shared like sum_logprob; null = not scored';
COMMENT ON COLUMN likelihoods.answer_mean_logprob IS 'mean log-prob over the tokens of the final answer, nats a token; null = not scored, or no answer found';
COMMENT ON COLUMN likelihoods.likelihood_rank IS 'rank in the group by mean_logprob, 1 = most likely, ties share the average rank; for people: recipes rank again; null = not scored';
COMMENT ON COLUMN likelihoods.logprob_semantics IS 'raw = before temperature, processed = at the sampling temperature; null = unknown';

CREATE VIEW violation_of_ascending_sample_index AS
SELECT group_id, sample_index
FROM (SELECT group_id, sample_index, lag(group_id) OVER () AS previous_group, lag(sample_index) OVER () AS previous_index FROM likelihoods)
WHERE group_id = previous_group AND sample_index <= previous_index;

CREATE VIEW violation_of_contiguous_groups AS
SELECT group_id
FROM (SELECT group_id, lag(group_id) OVER () AS previous_group FROM likelihoods)
WHERE group_id IS DISTINCT FROM previous_group
GROUP BY group_id HAVING count(*) > 1;

CREATE VIEW violation_of_rank_within_group AS
SELECT group_id FROM likelihoods GROUP BY group_id HAVING max(likelihood_rank) > count(likelihood_rank);
