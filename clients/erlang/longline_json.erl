%% JSON (RFC 8259) for OTP before 27: objects are maps, strings are UTF-8 binaries, the rest is what it looks like.
%% Refuses what the RFC refuses, and a lone surrogate (no UTF-8 can hold it). Keeps the last of two equal keys.
-module(longline_json).
-export([encode/1, decode/1]).
-export_type([json/0]).

-type json() :: null | boolean() | number() | binary() | [json()] | #{binary() | atom() => json()}.

%% Encodes a value; atoms other than null, true and false become strings. Throws `badarg` on anything else.
-spec encode(json() | atom()) -> iodata().
encode(Atom) when Atom =:= null; Atom =:= true; Atom =:= false -> atom_to_binary(Atom);
encode(Atom) when is_atom(Atom) -> encode(atom_to_binary(Atom));
encode(Integer) when is_integer(Integer) -> integer_to_binary(Integer);
encode(Float) when is_float(Float) -> float_to_binary(Float, [short]);
encode(Text) when is_binary(Text) -> [$", escape(Text), $"];
encode(List) when is_list(List) -> [$[, lists:join($,, [encode(Value) || Value <- List]), $]];
encode(Map) when is_map(Map) ->
    [${, lists:join($,, [[key(Key), $:, encode(Value)] || {Key, Value} <- maps:to_list(Map)]), $}];
encode(_) -> error(badarg).

%% Decodes exactly one value; an error tells how many bytes before the end the reading stopped.
-spec decode(binary()) -> {ok, json()} | {error, {malformed, BytesLeft :: non_neg_integer()}}.
decode(Text) ->
    try
        {Value, Rest} = value(space(Text)),
        case space(Rest) of
            <<>> -> {ok, Value};
            Left -> malformed(Left)
        end
    catch
        throw:{malformed, Where} -> {error, {malformed, byte_size(Where)}}
    end.

key(Key) when is_atom(Key) -> key(atom_to_binary(Key));
key(Key) when is_binary(Key) -> encode(Key).

escape(Text) -> << <<(escaped(Char))/binary>> || <<Char/utf8>> <= valid(Text) >>.

%% A binary generator stops silently at the first byte that is not UTF-8, so that is judged before.
valid(Text) ->
    case unicode:characters_to_binary(Text) of
        Text -> Text;
        _ -> error(badarg)
    end.

escaped($") -> <<"\\\"">>;
escaped($\\) -> <<"\\\\">>;
escaped(Char) when Char < 16#20 -> iolist_to_binary(io_lib:format("\\u~4.16.0b", [Char]));
escaped(Char) -> <<Char/utf8>>.

value(<<"null", Rest/binary>>) -> {null, Rest};
value(<<"true", Rest/binary>>) -> {true, Rest};
value(<<"false", Rest/binary>>) -> {false, Rest};
value(<<$", Rest/binary>>) -> string(Rest, <<>>);
value(<<$[, Rest/binary>>) ->
    case space(Rest) of
        <<$], After/binary>> -> {[], After};
        First -> elements(First, [])
    end;
value(<<${, Rest/binary>>) ->
    case space(Rest) of
        <<$}, After/binary>> -> {#{}, After};
        First -> members(First, #{})
    end;
value(Text) -> number(Text).

elements(Text, Before) ->
    {Value, Rest} = value(Text),
    case space(Rest) of
        <<$,, Next/binary>> -> elements(space(Next), [Value | Before]);
        <<$], After/binary>> -> {lists:reverse(Before, [Value]), After};
        Left -> malformed(Left)
    end.

members(<<$", Text/binary>>, Before) ->
    {Key, Rest} = string(Text, <<>>),
    case space(Rest) of
        <<$:, AfterColon/binary>> ->
            {Value, AfterValue} = value(space(AfterColon)),
            Map = Before#{Key => Value},
            case space(AfterValue) of
                <<$,, Next/binary>> -> members(space(Next), Map);
                <<$}, After/binary>> -> {Map, After};
                Left -> malformed(Left)
            end;
        Left -> malformed(Left)
    end;
members(Text, _) -> malformed(Text).

string(<<$", Rest/binary>>, Read) -> {Read, Rest};
string(<<"\\u", High:4/binary, "\\u", Low:4/binary, Rest/binary>> = Text, Read) ->
    case {hex(High, Text), hex(Low, Text)} of
        {H, L} when H >= 16#D800, H =< 16#DBFF, L >= 16#DC00, L =< 16#DFFF ->
            string(Rest, <<Read/binary, (16#10000 + (H - 16#D800) * 16#400 + L - 16#DC00)/utf8>>);
        {H, _} ->
            string(<<"\\u", Low/binary, Rest/binary>>, append(Read, H, Text))
    end;
string(<<"\\u", Four:4/binary, Rest/binary>> = Text, Read) -> string(Rest, append(Read, hex(Four, Text), Text));
string(<<$\\, Char, Rest/binary>> = Text, Read) ->
    case Char of
        _ when Char =:= $"; Char =:= $\\; Char =:= $/ -> string(Rest, <<Read/binary, Char>>);
        $b -> string(Rest, <<Read/binary, $\b>>);
        $f -> string(Rest, <<Read/binary, $\f>>);
        $n -> string(Rest, <<Read/binary, $\n>>);
        $r -> string(Rest, <<Read/binary, $\r>>);
        $t -> string(Rest, <<Read/binary, $\t>>);
        _ -> malformed(Text)
    end;
string(<<Char/utf8, Rest/binary>>, Read) when Char >= 16#20 -> string(Rest, <<Read/binary, Char/utf8>>);
string(Text, _) -> malformed(Text).

append(_, Surrogate, Text) when Surrogate >= 16#D800, Surrogate =< 16#DFFF -> malformed(Text);
append(Read, Char, _) -> <<Read/binary, Char/utf8>>.

hex(Digits, Text) ->
    case lists:all(fun(D) -> D >= $0 andalso D =< $9 orelse D >= $a andalso D =< $f orelse D >= $A andalso D =< $F end,
                   binary_to_list(Digits)) of
        true -> binary_to_integer(Digits, 16);
        false -> malformed(Text)
    end.

number(Text) ->
    Pattern = "^(-?(?:0|[1-9][0-9]*))(\\.[0-9]+)?([eE][-+]?[0-9]+)?",
    case re:run(Text, Pattern, [{capture, all, binary}]) of
        {match, [All, Whole]} -> {binary_to_integer(Whole), after_prefix(All, Text)};
        {match, [All, Whole, Fraction]} -> {float_of(Whole, Fraction, <<>>, Text), after_prefix(All, Text)};
        {match, [All, Whole, Fraction, Power]} -> {float_of(Whole, Fraction, Power, Text), after_prefix(All, Text)};
        nomatch -> malformed(Text)
    end.

%% Erlang reads a float only with a fraction, and has none beyond 1.8e308.
float_of(Whole, <<>>, Power, Text) -> float_of(Whole, <<".0">>, Power, Text);
float_of(Whole, Fraction, Power, Text) ->
    try
        binary_to_float(<<Whole/binary, Fraction/binary, Power/binary>>)
    catch
        error:badarg -> malformed(Text)
    end.

after_prefix(Prefix, Text) -> binary:part(Text, byte_size(Prefix), byte_size(Text) - byte_size(Prefix)).

space(<<Char, Rest/binary>>) when Char =:= $\s; Char =:= $\t; Char =:= $\n; Char =:= $\r -> space(Rest);
space(Text) -> Text.

malformed(Where) -> throw({malformed, Where}).
