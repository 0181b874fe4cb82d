-- after: accounts/accounts.sql
-- Signing in through an OIDC provider. That the provider vouches for somebody is known to the web alone, which has checked
-- its token; PostgreSQL cannot. So that a statement that somebody smuggled into the web begins no session, the function
-- wants a key: the web derives it from the encryption key of the installation, and it is nowhere in PostgreSQL. Its
-- SHA-256 is registered by the login of the application, each time the web starts.

set local role invoice_pipelines_accounts;

-- The keys that hold from now on; none: nobody signs in through a provider.
create or replace function accounts.register_sign_in_keys(fingerprints bytea[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform accounts.refuse_web();
    delete from accounts.sign_in_key k where k.sha256 <> all(fingerprints);
    insert into accounts.sign_in_key (sha256) select f from unnest(fingerprints) f on conflict do nothing;
end $$;

-- Begins a session of the user who is `of_subject` to the provider; else of the one with this address, which the
-- provider has verified (null: it has not), whose subject it is from then on; else, with `may_create`, of a new one who
-- belongs nowhere yet. Null: there is none, or it is disabled, or belongs to another subject.
create or replace function accounts.sign_in_oidc(key bytea, of_issuer text, of_subject text, verified_email text,
                                                 called text, may_create boolean, session_secret bytea,
                                                 from_address text, agent text, idle integer, longest interval)
returns uuid
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    address constant text := lower(trim(verified_email));
    person accounts.user_account;
begin
    if not exists (select from accounts.sign_in_key k where k.sha256 = sha256(key)) then
        raise exception 'this is not a web of this installation' using errcode = 'IP403';
    end if;
    select u.* into person from accounts.user_account u where u.issuer = of_issuer and u.subject = of_subject;
    if person.id is null and address is not null then
        if may_create then
            insert into accounts.user_account (email, name, issuer, subject, created_by)
            values (address, called, of_issuer, of_subject, address)
            on conflict do nothing returning id into person.id;
            if person.id is not null then
                perform accounts.record('user_added', person.id, null, jsonb_build_object('issuer', of_issuer),
                                        from_address, address);
            end if;
        end if;
        select u.* into person from accounts.user_account u where u.email = address for update;
        if person.id is not null and person.subject is null and person.disabled_at is null then
            -- A password that an admin of an organization may have chosen in place of the person ends here.
            update accounts.user_account u
            set issuer = of_issuer, subject = of_subject, vouched_by = null,
                password_sha256 = case when u.vouched_by is null then u.password_sha256 end,
                password_salt = case when u.vouched_by is null then u.password_salt end,
                password_parameters = case when u.vouched_by is null then u.password_parameters end
            where u.id = person.id;
            if person.vouched_by is not null then
                update accounts.session s set ended_at = clock_timestamp()
                where s.user_id = person.id and s.ended_at is null;
            end if;
            perform accounts.record('subject_bound', person.id, null, jsonb_build_object('issuer', of_issuer),
                                    from_address, address);
        elsif person.issuer is distinct from of_issuer or person.subject is distinct from of_subject then
            person.id := null;
        end if;
    end if;
    if person.id is null or person.disabled_at is not null then
        perform accounts.record('sign_in_failed', person.id, null, jsonb_build_object('issuer', of_issuer),
                                from_address, coalesce(address, 'subject ' || of_subject));
        return null;
    end if;
    insert into accounts.session (secret_sha256, user_id, method, address, user_agent, expires_at, idle_seconds)
    values (session_secret, person.id, 'oidc', from_address, left(agent, 300), clock_timestamp() + longest, idle);
    perform accounts.record('signed_in', person.id, null, jsonb_build_object('issuer', of_issuer), from_address,
                            person.email);
    return person.id;
end $$;

revoke all on function accounts.register_sign_in_keys(bytea[]),
    accounts.sign_in_oidc(bytea, text, text, text, text, boolean, bytea, text, text, integer, interval) from public;
grant execute on function accounts.register_sign_in_keys(bytea[]),
    accounts.sign_in_oidc(bytea, text, text, text, text, boolean, bytea, text, text, integer, interval)
    to invoice_pipelines_app;
set local role invoice_pipelines_owner;
