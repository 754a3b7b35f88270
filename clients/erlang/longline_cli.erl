%% The demo command line: `erl -noshell -pa . -s longline_cli main -extra [OPTION...] VERB SUBJECT [JSON] [OPTION...]`.
%% Prints one JSON line for everything heard; exits with 0, 1 (error), 2 (usage) or 3 (disconnected).
%% Refuses to go on after a lost connection.
-module(longline_cli).
-export([main/0]).

-define(USAGE, "[--host HOST --port PORT | --unix PATH] sub CHANNEL [--count N] | pub CHANNEL JSON [--key KEY] | "
               "serve SERVICE [--count N] | req SERVICE JSON [--timeout-ms MS]").

-spec main() -> no_return().
main() ->
    io:setopts([{encoding, unicode}]),
    halt(run([text(Argument) || Argument <- init:get_plain_arguments()], #{}, [])).

%% Under a locale without UTF-8 the arguments arrive as one character per byte.
text(Argument) ->
    case file:native_name_encoding() of
        latin1 -> list_to_binary(Argument);
        utf8 -> unicode:characters_to_binary(Argument)
    end.

run([<<"--", Option/binary>>, Value | Rest], Options, Words) ->
    try option(Option, Value) of
        {Name, Read} -> run(Rest, Options#{Name => Read}, Words)
    catch
        error:_ -> usage()
    end;
run([Word | Rest], Options, Words) -> run(Rest, Options, [Word | Words]);
run([], Options, Words) ->
    case lists:reverse(Words) of
        [Verb, _] = Command when Verb =:= <<"sub">>; Verb =:= <<"serve">> -> with_client(Command, Options);
        [Verb, Subject, Json] when Verb =:= <<"pub">>; Verb =:= <<"req">> ->
            case longline_json:decode(Json) of
                {ok, Data} -> with_client([Verb, Subject, Data], Options);
                {error, _} -> usage()
            end;
        _ -> usage()
    end.

option(<<"host">>, Host) -> {host, binary_to_list(Host)};
option(<<"port">>, Port) -> {port, binary_to_integer(Port)};
option(<<"unix">>, Path) -> {unix, Path};
option(<<"count">>, Count) -> {count, binary_to_integer(Count)};
option(<<"key">>, Key) -> {key, Key};
option(<<"timeout-ms">>, Ms) -> {timeoutMs, binary_to_integer(Ms)}.

usage() ->
    io:put_chars(standard_error, ["usage: ", ?USAGE, "\n"]),
    2.

with_client(Command, Options) ->
    case longline:connect(maps:with([host, port, unix], Options)) of
        {ok, Client} ->
            Code = verb(Command, Client, Options),
            ok = longline:close(Client),
            Code;
        Failed ->
            said(Failed, fun() -> 0 end)
    end.

verb([<<"sub">>, Channel], Client, Options) ->
    Left = maps:get(count, Options, infinity),
    said(longline:subscribe(Client, Channel, #{}), fun() ->
        listen(Client, Left, fun() -> longline:unsubscribe(Client, Channel) end)
    end);
verb([<<"pub">>, Channel, Data], Client, Options) ->
    said(longline:publish(Client, Channel, Data, maps:with([key], Options)), fun() -> 0 end);
verb([<<"serve">>, Service], Client, Options) ->
    Left = maps:get(count, Options, infinity),
    Answer = fun(Data) ->
        show(#{type => request, service => Service, data => Data}),
        {ok, upper_or_echo(Data)}
    end,
    said(longline:serve(Client, Service, Answer), fun() ->
        listen(Client, Left, fun() -> longline:unserve(Client, Service) end)
    end);
verb([<<"req">>, Service, Data], Client, Options) ->
    said(longline:request(Client, Service, Data, maps:with([timeoutMs], Options)), fun() -> 0 end).

upper_or_echo(Text) when is_binary(Text) -> unicode:characters_to_binary(string:uppercase(Text));
upper_or_echo(Data) -> Data.

%% Prints what comes until that many publications were heard or requests answered; then takes leave.
listen(_, 0, Leave) ->
    said(Leave(), fun() -> 0 end);
listen(Client, Left, Leave) ->
    receive
        {longline, Client, {closed, Why}} -> ended(Why);
        {longline, Client, {answered, _}} -> listen(Client, less(Left), Leave);
        {longline, Client, #{<<"type">> := <<"publication">>} = Publication} ->
            show(Publication),
            listen(Client, less(Left), Leave);
        {longline, Client, Message} ->
            show(Message),
            listen(Client, Left, Leave)
    end.

less(infinity) -> infinity;
less(Left) -> Left - 1.

%% Prints an answer; goes on if it was a good one.
said({ok, Answer}, Then) ->
    show(Answer),
    Then();
said({error, {closed, Why}}, _) ->
    ended(Why);
said({error, {too_large, Size, Limit}}, _) ->
    show(#{type => refused, bytes => Size, limit => Limit}),
    1;
said({error, Error}, _) ->
    show(Error),
    1.

ended(#{<<"type">> := <<"bye">>} = Bye) ->
    show(Bye),
    3;
ended(Why) ->
    show(#{type => lost, message => unicode:characters_to_binary(io_lib:format("~tp", [Why]))}),
    3.

%% Ids are the connection's own business.
show(Message) -> io:put_chars([longline_json:encode(maps:without([id, <<"id">>], Message)), $\n]).
