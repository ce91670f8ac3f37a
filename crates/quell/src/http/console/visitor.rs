//! Who looks at a page, and the form they send back.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::{IntoResponse, Redirect, Response},
};
use quell_engine::Failure;
use serde::de::DeserializeOwned;

use super::page::{Page, Standing};
use crate::{
    access::{Denied, caller::Person, cookie},
    http::{State, input, problem::Problem, shape},
};

/// A signed-in person; everybody else is sent to sign in, and back here after it.
pub struct Visitor {
    pub person: Person,
    token: String,
}

impl Visitor {
    pub fn csrf(&self) -> String {
        cookie::csrf(&self.token)
    }

    /// Their name, as others see it.
    pub async fn name(&self, app: &State) -> Result<String, Failure> {
        let account = app.engine.person(&self.person.caller.id).await?;
        Ok(account.map_or_else(|| self.person.caller.id.to_string(), |a| a.name.shown().to_owned()))
    }

    /// A page for them: their name, the way out, and what this installation may do now.
    pub async fn page(&self, app: &State, title: impl Into<String>) -> Result<Page, Failure> {
        let (installation, now) = (app.engine.installation().await?, app.engine.ports.clock.now());
        let planes: Vec<String> = app.engine.ports.connectors.iter().map(|c| c.name().to_owned()).collect();
        let mode = Standing::of(&shape::mode(&installation, &planes, now));
        Ok(Page::new(title).of(self.name(app).await?, self.csrf()).standing(mode))
    }
}

impl FromRequestParts<State> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &State) -> Result<Self, Response> {
        let Ok((person, token)) = input::visitor(parts, app).await else {
            let next = parts.uri.path_and_query().map_or("/", |p| p.as_str());
            let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
            return Err(Redirect::to(&format!("/sign-in?next={next}")).into_response());
        };
        Ok(Self { person, token })
    }
}

/// What a form of ours carries.
pub trait Guarded {
    fn csrf(&self) -> &str;
}

/// A form that a page of ours showed to this very session.
pub struct Sent<T> {
    pub visitor: Visitor,
    pub form: T,
}

impl<T: DeserializeOwned + Guarded> FromRequest<State> for Sent<T> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &State) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let elsewhere = cookie::is_from_elsewhere(&parts.headers, app.public_url.as_deref());
        let form = Form::<T>::from_request(Request::from_parts(parts, body), app).await;
        let Form(form) = form.map_err(|_| refuse(Problem::malformed("", "the form was not understood; load the page again")))?;
        if elsewhere || !cookie::csrf_is_right(&visitor.token, form.csrf()) {
            return Err(refuse(Denied::NotFromOurPage.into()));
        }
        Ok(Self { visitor, form })
    }
}

/// A refusal as a page.
pub fn refuse(problem: Problem) -> Response {
    Page::refusal(&problem).into_response()
}
