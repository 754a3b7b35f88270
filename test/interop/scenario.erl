%% What the command line of longline.erl does not reach, as one JSON line. Refuses to judge: the test knows what is right.
-module(scenario).
-export([main/0]).

main() ->
    [Port] = init:get_plain_arguments(),
    {ok, Asker} = longline:connect(#{port => list_to_integer(Port)}),
    {ok, Responder} = longline:connect(#{port => list_to_integer(Port)}),
    Name = <<"scenario:erlang">>,
    Test = self(),

    {ok, _} = longline:subscribe(Asker, Name, #{}),
    Twice = code_of(longline:subscribe(Asker, Name, #{})),
    {ok, _} = longline:publish(Asker, Name, <<"unheard by itself">>, #{echo => false}),
    {ok, _} = longline:publish(Asker, Name, <<"heard">>, #{tags => #{size => small}}),
    {ok, _} = longline:unsubscribe(Asker, Name),
    {ok, _} = longline:publish(Asker, Name, <<"after leaving">>, #{}),
    {ok, _} = longline:subscribe(Asker, Name, #{}),

    {ok, _} = longline:serve(Responder, Name, fun
        (<<"refuse">>) -> {refuse, 418, <<"a teapot">>};
        (<<"crash">>) -> exit(planted);
        (<<"wait">>) -> Test ! {started, self()}, receive never -> ok end
    end),
    Refused = code_of(longline:request(Asker, Name, <<"refuse">>, #{})),
    Crashed = code_of(longline:request(Asker, Name, <<"crash">>, #{})),
    {ok, Id} = longline:start_request(Asker, Name, <<"wait">>, #{}),
    Worker = receive {started, Pid} -> monitor(process, Pid), Pid end,
    ok = longline:cancel(Asker, Id),
    Stopped = receive {'DOWN', _, process, Worker, Why} -> Why =:= killed end,
    Cancelled = receive {longline, Asker, #{<<"id">> := Id} = Answer} -> code_of({error, Answer}) end,
    Large = code_of(longline:publish(Asker, Name, binary:copy(<<"x">>, 65536), #{})),
    {ok, _} = longline:unserve(Responder, Name),
    Unserved = code_of(longline:request(Asker, Name, <<"refuse">>, #{})),
    ok = longline:close(Responder),
    ok = longline:close(Asker),
    ClosedTwice = longline:close(Asker),

    Seen = #{type => seen, twice => Twice, heard => heard(Asker), refused => Refused, crashed => Crashed, large => Large,
             stopped => Stopped, cancelled => Cancelled, unserved => Unserved, closedTwice => ClosedTwice},
    io:put_chars([longline_json:encode(Seen), $\n]),
    halt(0).

heard(Client) ->
    receive
        {longline, Client, #{<<"type">> := <<"publication">>, <<"data">> := Data} = Message} ->
            [[Data, maps:get(<<"tags">>, Message, null)] | heard(Client)]
    after 0 -> []
    end.

code_of({ok, _}) -> null;
code_of({error, {too_large, _, _}}) -> <<"too large">>;
code_of({error, #{<<"code">> := Code}}) -> Code.
