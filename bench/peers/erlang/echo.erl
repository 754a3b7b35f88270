%% Erlang's own framing: {packet, 4} cuts in C, a process a connection sends each frame back.
%% Bounded reading: after 100 messages the socket asks again.
-module(echo).
-export([main/0]).

-define(BATCH, 100).

main() ->
    {ok, Listener} = gen_tcp:listen(0, [
        binary,
        {ip, {127, 0, 0, 1}},
        {packet, 4},
        {active, false},
        {nodelay, true},
        {backlog, 4096}
    ]),
    {ok, Port} = inet:port(Listener),
    io:format("listening on 127.0.0.1:~b~n", [Port]),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener).

serve(Socket) ->
    _ = inet:setopts(Socket, [{active, ?BATCH}]),
    echo(Socket).

echo(Socket) ->
    receive
        {tcp, Socket, Body} ->
            _ = gen_tcp:send(Socket, Body),
            echo(Socket);
        {tcp_passive, Socket} ->
            serve(Socket);
        {tcp_closed, Socket} ->
            ok;
        {tcp_error, Socket, _Reason} ->
            ok
    end.
