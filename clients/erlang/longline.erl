%% A Longline client: docs/protocol.md version 1, JSON encoding, over TCP or a unix socket, framed by `{packet, 4}`.
%% Refuses to reconnect, to mend holes and to speak TLS (OTP's `ssl` is no part of stdlib; wrap the socket there).
%%
%% A client is one process. The process that connected owns it and hears, in order, `{longline, Client, Message}` for
%% what the server says unasked (publications, gaps, notices, heartbeats), `{longline, Client, {answered, Id}}` for each
%% request that a service of this client is done with, and at the end `{longline, Client, {closed, Why}}`.
-module(longline).
-behaviour(gen_server).
-export([connect/1, close/1, subscribe/3, unsubscribe/2, publish/4, request/4, start_request/4, cancel/2]).
-export([serve/3, unserve/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export_type([client/0, message/0, failure/0]).

-define(MAX_INBOUND_BYTES, 1048576).
-define(FIRST_OUTBOUND_BYTES, 16384).
-define(CONNECT_MS, 10000).
-define(LATEST_HEARTBEAT, 111). % protocol.md, section 3: hundredths of its interval, jitter and lateness included
-define(WRITE_MS, 10000).

-record(client, {
    owner :: pid(),
    socket :: gen_tcp:socket(),
    id = 1 :: pos_integer(),                                 % of the next question
    asked = #{} :: #{pos_integer() => gen_server:from() | owner | greeting},
    services = #{} :: #{binary() => service()},
    answering = #{} :: #{pos_integer() => pid()},            % requests that a service is working on
    limit = ?FIRST_OUTBOUND_BYTES :: pos_integer(),
    patience = ?CONNECT_MS :: pos_integer(),
    silence = none :: reference() | none
}).

-type client() :: pid().
-type message() :: #{binary() => longline_json:json()}.
%% `error` is the server's answer with its code; `closed` holds the `bye`, or the reason if there was none.
-type failure() :: {error, message() | {closed, message() | term()} | {too_large, integer(), Limit :: integer()}}.
-type answer() :: {ok, message()} | failure().
%% A service refuses with a code of its own, from 200 on; one that crashes is answered with error 100.
-type service() :: fun((longline_json:json()) -> {ok, longline_json:json()} | {refuse, 200..999, binary()}).

%% Dials and greets: `host` and `port`, or `unix`, and a `token` if the gateway asks for one.
-spec connect(#{host => string(), port => 0..65535, unix => binary(), token => binary()}) -> {ok, client()} | failure().
connect(Options) ->
    case gen_server:start(?MODULE, {self(), Options}, []) of
        {error, {shutdown, Why}} -> {error, {closed, Why}};
        Started -> Started
    end.

%% Closes after what was sent has left.
-spec close(client()) -> ok.
close(Client) ->
    try
        gen_server:stop(Client)
    catch
        exit:_ -> ok % it was closed already
    end.

%% Options are `position`, `mode` and `presence`.
-spec subscribe(client(), binary(), map()) -> answer().
subscribe(Client, Channel, Options) -> ask(Client, Options#{type => subscribe, channel => Channel}).

-spec unsubscribe(client(), binary()) -> answer().
unsubscribe(Client, Channel) -> ask(Client, #{type => unsubscribe, channel => Channel}).

%% Options are `key`, `tags` and `echo`. After a lost connection publish again with the same `key`: it counts once.
-spec publish(client(), binary(), longline_json:json(), map()) -> answer().
publish(Client, Channel, Data, Options) -> ask(Client, Options#{type => publish, channel => Channel, data => Data}).

%% Asks and waits; the option is `timeoutMs`.
-spec request(client(), binary(), longline_json:json(), map()) -> answer().
request(Client, Service, Data, Options) -> ask(Client, Options#{type => request, service => Service, data => Data}).

%% Asks and goes on: the answer comes as `{longline, Client, Message}` with this id.
-spec start_request(client(), binary(), longline_json:json(), map()) -> {ok, pos_integer()} | failure().
start_request(Client, Service, Data, Options) ->
    call(Client, {start, Options#{type => request, service => Service, data => Data}}).

%% Gives up a started request: its answer is error 119, unless the other one was on its way.
-spec cancel(client(), pos_integer()) -> ok | failure().
cancel(Client, Id) -> call(Client, {tell, #{type => cancel, id => Id}}).

%% Every request runs the service in a process of its own, which a `cancel` from the server kills.
-spec serve(client(), binary(), service()) -> answer().
serve(Client, Service, Fun) ->
    ok = call(Client, {service, Service, Fun}),
    ask(Client, #{type => serve, service => Service}).

-spec unserve(client(), binary()) -> answer().
unserve(Client, Service) -> ask(Client, #{type => unserve, service => Service}).

ask(Client, Message) -> call(Client, {ask, Message}).

%% The client watches the server's life, so a call needs no deadline of its own: it ends when the client does.
call(Client, Call) ->
    try
        gen_server:call(Client, Call, infinity)
    catch
        exit:{{shutdown, Why}, _} -> {error, {closed, Why}};
        exit:{Why, _} -> {error, {closed, Why}}
    end.

init({Owner, Options}) ->
    monitor(process, Owner),
    {Host, Port} = case Options of
        #{unix := Path} -> {{local, Path}, 0};
        _ -> {maps:get(host, Options, "127.0.0.1"), maps:get(port, Options, 7557)}
    end,
    Packets = [binary, {active, false}, {packet, 4}, {packet_size, ?MAX_INBOUND_BYTES}],
    case gen_tcp:connect(Host, Port, Packets ++ [{send_timeout, ?WRITE_MS}, {send_timeout_close, true}], ?CONNECT_MS) of
        {ok, Socket} ->
            _ = inet:setopts(Socket, [{nodelay, true}]), % a unix socket knows no such option and needs none
            greet(maps:with([token], Options), #client{owner = Owner, socket = Socket});
        {error, Why} ->
            {stop, {shutdown, Why}}
    end.

greet(Token, #client{socket = Socket} = State) ->
    Greeting = Token#{type => connect, version => 1, client => #{name => <<"longline.erl">>, version => <<"1">>}},
    case ask(Greeting, greeting, State) of
        {ok, _, Asked} -> greeted(gen_tcp:recv(Socket, 0, ?CONNECT_MS), Asked);
        {error, Why} -> {stop, {shutdown, Why}}
    end.

greeted({ok, <<>>}, #client{socket = Socket} = State) ->
    _ = gen_tcp:send(Socket, <<>>),
    greeted(gen_tcp:recv(Socket, 0, ?CONNECT_MS), State);
greeted({ok, Body}, #client{socket = Socket} = State) ->
    case longline_json:decode(Body) of
        {ok, #{<<"type">> := <<"connected">>, <<"limits">> := Limits, <<"heartbeat">> := Heartbeat}} ->
            #{<<"intervalMs">> := Interval, <<"timeoutMs">> := Timeout} = Heartbeat,
            ok = inet:setopts(Socket, [{active, once}]),
            Limit = maps:get(<<"frameBytes">>, Limits),
            Patience = Interval * ?LATEST_HEARTBEAT div 100 + Timeout,
            {ok, heard(State#client{limit = Limit, patience = Patience, asked = #{}})};
        {ok, Refusal} -> {stop, {shutdown, Refusal}};
        {error, Why} -> {stop, {shutdown, Why}}
    end;
greeted({error, Why}, _) -> {stop, {shutdown, Why}}.

handle_call({ask, Message}, From, State) ->
    case ask(Message, From, State) of
        {ok, _, Asked} -> {noreply, Asked};
        Failed -> {reply, Failed, State}
    end;
handle_call({start, Message}, _, State) ->
    case ask(Message, owner, State) of
        {ok, Id, Asked} -> {reply, {ok, Id}, Asked};
        Failed -> {reply, Failed, State}
    end;
handle_call({tell, Message}, _, State) -> {reply, send(Message, State), State};
handle_call({service, Service, Fun}, _, #client{services = Services} = State) ->
    {reply, ok, State#client{services = Services#{Service => Fun}}}.

handle_cast(_, State) -> {noreply, State}.

handle_info({tcp, Socket, <<>>}, #client{socket = Socket} = State) ->
    _ = gen_tcp:send(Socket, <<>>), % if it fails, tcp_closed follows
    next(tell_owner(#{<<"type">> => <<"heartbeat">>}, State));
handle_info({tcp, Socket, Body}, #client{socket = Socket} = State) ->
    case longline_json:decode(Body) of
        {ok, #{<<"type">> := <<"bye">>} = Bye} -> ended(Bye, State);
        {ok, #{<<"type">> := Type} = Message} -> next(message(Type, Message, State));
        {ok, _} -> ended(malformed, State);
        {error, Why} -> ended(Why, State)
    end;
handle_info({tcp_closed, Socket}, #client{socket = Socket} = State) -> ended(closed, State);
handle_info({tcp_error, Socket, Why}, #client{socket = Socket} = State) -> ended(Why, State);
handle_info({timeout, Timer, silence}, #client{silence = Timer} = State) -> ended(silence, State);
handle_info({timeout, _, silence}, State) -> {noreply, State}; % it fired while it was being replaced
handle_info({{answered, Id}, _, process, _, Result}, #client{answering = Answering} = State) ->
    case {maps:is_key(Id, Answering), Result} of
        {false, _} -> ok; % cancelled: nobody waits for it
        {true, {ok, Data}} -> answer(#{type => response, id => Id, data => Data}, State);
        {true, {refuse, Code, Text}} -> refuse(Id, Code, Text, State);
        {true, _} -> refuse(Id, 100, <<"the responder failed">>, State)
    end,
    {noreply, tell_owner({answered, Id}, State#client{answering = maps:remove(Id, Answering)})};
handle_info({'DOWN', _, process, Owner, _}, #client{owner = Owner} = State) -> {stop, normal, State}.

message(<<"request">>, #{<<"id">> := Id, <<"service">> := Service, <<"data">> := Data}, State) ->
    #client{services = Services, answering = Answering} = State,
    Fun = maps:get(Service, Services, fun(_) -> {refuse, 114, <<"not served here">>} end),
    {Pid, _} = spawn_opt(fun() -> exit(Fun(Data)) end, [{monitor, [{tag, {answered, Id}}]}]),
    State#client{answering = Answering#{Id => Pid}};
message(<<"cancel">>, #{<<"id">> := Id}, #client{answering = Answering} = State) ->
    _ = [exit(Pid, kill) || #{Id := Pid} <- [Answering]],
    State#client{answering = maps:remove(Id, Answering)};
message(Type, #{<<"id">> := Id} = Message, #client{asked = Asked} = State) ->
    case maps:take(Id, Asked) of
        {owner, Others} ->
            tell_owner(Message, State#client{asked = Others});
        {From, Others} ->
            gen_server:reply(From, {case Type of <<"error">> -> error; _ -> ok end, Message}),
            State#client{asked = Others};
        error ->
            State
    end;
message(_, Message, State) -> tell_owner(Message, State).

%% Sends a question under the next id and remembers who waits for the answer: a caller, or the owner.
ask(Message, Who, #client{id = Id, asked = Asked} = State) ->
    case send(Message#{id => Id}, State) of
        ok -> {ok, Id, State#client{id = Id + 1, asked = Asked#{Id => Who}}};
        Failed -> Failed
    end.

send(Message, #client{socket = Socket, limit = Limit}) ->
    Body = longline_json:encode(Message),
    case iolist_size(Body) of
        Size when Size > Limit -> {error, {too_large, Size, Limit}};
        _ ->
            case gen_tcp:send(Socket, Body) of
                ok -> ok;
                {error, Why} -> {error, {closed, Why}}
            end
    end.

answer(#{id := Id} = Response, State) ->
    case send(Response, State) of
        {error, {too_large, _, _}} -> refuse(Id, 100, <<"the response is too large">>, State);
        _ -> ok % or the socket is gone, and tcp_closed follows
    end.

refuse(Id, Code, Text, State) -> send(#{type => error, id => Id, code => Code, message => Text}, State).

tell_owner(Message, #client{owner = Owner} = State) ->
    Owner ! {longline, self(), Message},
    State.

%% After each frame: reads one more, and starts the wait for a sign of life anew.
next(#client{socket = Socket} = State) ->
    case inet:setopts(Socket, [{active, once}]) of
        ok -> {noreply, heard(State)};
        {error, Why} -> ended(Why, State)
    end.

heard(#client{patience = Patience, silence = Timer} = State) ->
    _ = [erlang:cancel_timer(Timer) || Timer =/= none],
    State#client{silence = erlang:start_timer(Patience, self(), silence)}.

ended(Why, State) -> {stop, {shutdown, Why}, tell_owner({closed, Why}, State)}.
