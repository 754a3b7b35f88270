/**
 * A chat in one channel: history, who is here, and a line that comes back by itself. Puts nothing into the page but texts.
 *
 * A message is `{ name, text }`; `{ name }` alone says who a connection is, for the list of those present. What others
 * publish is shown too, if it is text.
 */
import { BrowserTransport } from "longline/client/browser"
import { connect } from "longline/client/promise"

const channel = "chat"
const element = (id) => document.getElementById(id)
const { gateway } = document.body.dataset
const asked = new URLSearchParams(location.search)
const name = asked.get("name") ?? `guest ${Math.floor(Math.random() * 1000)}`

const names = new Map()
let own
let members = []

const add = (parent, tag, text, className = "") => {
  const added = document.createElement(tag)
  added.textContent = text
  added.className = className
  parent.append(added)
  return added
}

const showPublication = ({ data, from, time }) => {
  const said = typeof data === "string" ? { text: data } : data
  if (typeof said?.name === "string" && from !== undefined) names.set(from.connection, said.name)
  showMembers()
  if (typeof said?.text !== "string") return
  const line = add(element("messages"), "li", "", from?.connection === own ? "own" : "")
  add(line, "b", typeof said.name === "string" ? said.name : "somebody")
  add(line, "time", new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }))
  add(line, "p", said.text)
  line.scrollIntoView()
}

const showNote = (text) => add(element("messages"), "li", text, "note").scrollIntoView()

const showMembers = () => {
  const shown = members.map(({ connection }) => names.get(connection) ?? "somebody")
  element("members").replaceChildren()
  for (const member of shown.toSorted((a, b) => a.localeCompare(b))) add(element("members"), "li", member)
}

const showState = (state, text) => {
  element("state").className = state
  element("state").textContent = text
}

/** Under a key, so that it is repeated until it is known to be there, once, whatever becomes of the connection. */
const publish = (client, data) =>
  client.publish(channel, data, { key: crypto.randomUUID() }).catch(({ message }) => showNote(`not sent: ${message}`))

/** What becomes of the connection, for the eye: from the first attempt on, when there is no client yet. */
const showEvent = (event) => {
  if (event._tag === "Connected") showState("online", "online")
  else if (event._tag === "Connecting") showState("connecting", "connecting")
  else if (event._tag === "Ended") showState("offline", event.message)
  else if (event._tag === "Disconnected") {
    showState("offline", `offline, next try in ${Math.ceil(event.retryInMs / 1000)} s: ${event.message}`)
  }
}

/** A new session is a new member, whose name the others do not know. */
const introduce = async (client) => {
  for await (const event of client.events) {
    if (event._tag !== "Connected") continue
    own = event.connection
    if (!event.resumed) void publish(client, { name })
  }
}

/** A question that changes nothing: asked again if its answer was lost with the connection. */
const known = (ask) =>
  ask().catch((error) => (error.reason?._tag === "OutcomeUnknown" ? known(ask) : Promise.reject(error)))

const read = async (client) => {
  let shown
  const show = (publication) => {
    if (publication.epoch === shown?.epoch && publication.offset <= shown.offset) return
    shown = publication
    showPublication(publication)
  }
  const catchUp = async () => {
    const { position, publications } = await known(() => client.history(channel, { limit: 50, reverse: true }))
    for (const publication of publications.toReversed()) show(publication)
    return position
  }
  const refreshMembers = async () => {
    ;({ members } = await known(() => client.presence(channel)))
    showMembers()
  }
  // From there on, so that nothing falls between what was read and what is heard.
  for await (const item of client.subscribe(channel, { position: await catchUp(), presence: true })) {
    if (item.type === "publication") show(item)
    else if (item.type === "presenceChanged") await refreshMembers()
    else if (item.type === "subscribed") {
      if (item.recovered === "no") {
        showNote("some messages may be lost")
        await catchUp()
      }
      await refreshMembers()
    }
  }
}

element("name").textContent = name
const client = await connect({ dial: BrowserTransport.dial({ url: gateway }), offlineQueue: 100, onEvent: showEvent })
void introduce(client)
void read(client).catch(({ message }) => showNote(message))

element("form").addEventListener("submit", (event) => {
  event.preventDefault()
  const text = element("text").value.trim()
  element("text").value = ""
  if (text !== "") void publish(client, { name, text })
})
// Gone at once for those who stay; a page that is only put aside may come back.
addEventListener("pagehide", ({ persisted }) => persisted || client.close())
element("text").disabled = false
element("text").focus()
