-- One row a prompt. A part holds the prompts first met with the samples part of the same name.
CREATE TABLE prompts (
    prompt_id VARCHAR NOT NULL CHECK (length(prompt_id) > 0),
    prompt VARCHAR,
    prompt_format VARCHAR NOT NULL CHECK (prompt_format IN ('text', 'chat')),
    prompt_ids INTEGER[] CHECK (list_count(prompt_ids) = len(prompt_ids)) CHECK (list_min(prompt_ids) >= 0),
    answer VARCHAR,
    reference VARCHAR,
    domain VARCHAR,
    source VARCHAR NOT NULL,
    source_file VARCHAR,
    source_row BIGINT CHECK (source_row >= 0),
    CHECK (prompt IS NOT NULL OR prompt_ids IS NOT NULL)
);
COMMENT ON TABLE prompts IS 'What the policy was asked, and what is known of the right answer. Grain: prompt.';
COMMENT ON COLUMN prompts.prompt_id IS 'key: the source''s own id, or 16 hex digits of BLAKE2b over format and prompt';
COMMENT ON COLUMN prompts.prompt IS 'text; for prompt_format chat the canonical JSON of the messages; null = only token ids are known';
COMMENT ON COLUMN prompts.prompt_format IS 'text = fed to the model as it is; chat = JSON list of {role, content} messages';
COMMENT ON COLUMN prompts.prompt_ids IS 'token ids fed to the policy, shape (prompt tokens,); null = unknown';
COMMENT ON COLUMN prompts.answer IS 'final answer that a verifier compares with; null = unknown';
COMMENT ON COLUMN prompts.reference IS 'reference solution text that a judge reads; null = unknown';
COMMENT ON COLUMN prompts.domain IS 'subject or subset name of the source; null = unknown';
COMMENT ON COLUMN prompts.source IS 'name of the import or task that the prompt came from';
COMMENT ON COLUMN prompts.source_file IS 'file name inside the source; null = not from a file';
COMMENT ON COLUMN prompts.source_row IS 'row of the first occurrence in source_file, 1-based; null = not from a file';

CREATE VIEW violation_of_unique_prompt_id AS
SELECT prompt_id FROM prompts GROUP BY prompt_id HAVING count(*) > 1;
