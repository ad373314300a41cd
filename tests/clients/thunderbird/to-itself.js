// Thunderbird sends itself a message and fetches it.
const steps = {
  async open(config) {
    await begin(config);
    return names();
  },

  async send({ address, subject, file: path }) {
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    fields.from = address;
    fields.to = address;
    fields.subject = subject;
    const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
    await done(listener => send.sendMessageFile(imap().defaultIdentity, imap().key, fields, file(path), false, false,
      Ci.nsIMsgSend.nsMsgDeliverNow, null, listener, null));
    return true;
  },

  // It is told when the message is there.
  async fetch({ subject }) {
    const inbox = special(Inbox);
    const header = await appears(() => message(inbox, subject));
    return read(inbox, header);
  },
};
